"The wheel, installed into a fresh environment away from the source, imports and trains a step"
import shutil,subprocess,sys,sysconfig,venv

import pytest
from common import root
from tools.pages import pages

step = '''
import importlib,sys
from pathlib import Path

import itr_nb
home = Path(itr_nb.__file__).parent
assert home.is_relative_to(sys.prefix), home
for module in sys.argv[1:]: importlib.import_module(f'itr_nb.{module}')

import torch
from itr_nb.core import Batch
from itr_nb.losses.triplet import TripletLoss
from itr_nb.model import dual
g = torch.Generator().manual_seed(0)
model = dual(8, 30, text='gru', dim=16, word_dim=12)
batch = Batch.of(regions=torch.randn(4,3,8, generator=g), tokens=torch.randint(0, 30, (4,5), generator=g), lengths=torch.tensor([5,4,3,2]))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
losses = []
for _ in range(5):
    images,texts = model.encode_image(batch),model.encode_text(batch)
    loss = sum(TripletLoss(hardest=False)(model.score(images, texts), images, texts, batch).values())
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    losses.append(loss.item())
assert losses[-1]<losses[0], losses
'''

pytestmark = pytest.mark.xdist_group('wheel') # one process shares what is built

@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    "A fresh environment with the wheel, and beside it the dependencies that this one has"
    tmp = tmp_path_factory.mktemp('wheel')
    ignore = shutil.ignore_patterns('.*', '_*s', '_proc', 'nbs', 'tests', 'runs', 'scratch', 'build', 'dist', '*.egg-info', '__pycache__')
    shutil.copytree(root, tmp/'source', ignore=ignore)
    pip = [sys.executable, '-m', 'pip', '--quiet', '--disable-pip-version-check']
    subprocess.run([*pip, 'wheel', '--no-deps', '--no-build-isolation', '-w', tmp, tmp/'source'], check=True)
    wheel, = tmp.glob('itr_nb-*.whl')
    shutil.rmtree(tmp/'source')
    venv.create(tmp/'venv', with_pip=False)
    python = tmp/'venv'/'bin'/'python'
    subprocess.run([*pip, '--python', python, 'install', '--no-deps', '--no-index', wheel], check=True)
    site = subprocess.run([python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], capture_output=True, text=True, check=True)
    # A path in a .pth file is only added to sys.path: the editable install of this environment does not come along
    with open(f'{site.stdout.strip()}/dependencies.pth', 'w') as f: f.write(sysconfig.get_path('purelib'))
    return tmp/'venv'/'bin'

def test_every_module_imports_and_a_step_trains(installed, tmp_path):
    modules = [p.module for p in pages() if p.module]
    subprocess.run([installed/'python', '-I', '-c', step, *modules], cwd=tmp_path, check=True)

suffixes = '.py', '.toml', '.js', '.css', '.safetensors'

def test_data_files_are_in(installed):
    package = next((installed.parent/'lib').glob('python*/site-packages/itr_nb'))
    inside = {p.relative_to(package).as_posix() for p in package.rglob('*') if p.suffix in suffixes}
    source = root/'itr_nb'
    assert inside=={p.relative_to(source).as_posix() for p in source.rglob('*') if p.suffix in suffixes}

def test_command_is_there(installed, tmp_path):
    done = subprocess.run([installed/'itr', '--help'], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode==0, done.stderr
    for verb in ('train', 'eval', 'encode', 'search'): assert verb in done.stdout
