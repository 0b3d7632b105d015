"The page *Add a method*, as somebody's own files outside the package: its cells marked `#| file: scan.py`, and its recipe"
import json,os,re,subprocess,sys

import pytest
from common import root
from fastcore.nbio import read_nb
from itr_nb.workshop.shapes import write_shapes

page = root/'nbs'/'reference'/'92_add_a_method.ipynb'
small = ['image.size=64', 'image.regions=false', 'image.grid=true', 'text.min_count=1', 'model.dim=16',
    'model.word_dim=8', 'train.epochs=2', 'train.batch_size=16', 'train.hinge_warmup=1']

def files():
    "The module and the recipe that the page shows"
    cells = read_nb(page).cells
    parts = [re.sub(r'^#\|.*\n', '', c.source, flags=re.M) for c in cells if c.cell_type=='code' and '#| file: scan.py' in c.source]
    toml, = re.findall(r'```toml\n(.*?)```', '\n'.join(c.source for c in cells if c.cell_type=='markdown'), re.S)
    return '\n\n'.join(parts)+'\n',toml

def itr(folder, *args, home='cache'):
    env = {**os.environ, 'PYTHONPATH':str(root), 'ITR_NB_HOME':str(folder/home), 'OMP_NUM_THREADS':'1'}
    return subprocess.run([sys.executable, '-m', 'itr_nb', *map(str, args)], cwd=folder, env=env, capture_output=True, text=True)

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "A folder with the two files and some pictures, in which SCAN was trained in both directions"
    d = tmp_path_factory.mktemp('scan')
    module,recipe = files()
    (d/'scan.py').write_text(module)
    (d/'scan.toml').write_text(recipe)
    write_shapes(d/'shapes')
    for name in ('t2i', 'i2t'):
        sets = [x for s in [*small, f'model.direction={name}'] for x in ('--set', s)]
        done = itr(d, 'train', 'scan.toml', '--data', 'shapes', '--out', name, *sets)
        assert done.returncode==0, done.stderr
    return d

pytestmark = pytest.mark.xdist_group('add_a_method')

def test_it_is_sixty_lines():
    module,_ = files()
    assert len([l for l in module.splitlines() if l.strip()])<=60

def test_a_dry_run_writes_nothing(place):
    "Not in a cache either, which is a fresh one; the interpreter's own files do not count"
    see = lambda: {p:p.stat().st_mtime_ns for p in place.rglob('*') if '__pycache__' not in p.parts}
    before = see()
    sets = [x for s in small for x in ('--set', s)]
    done = itr(place, 'train', 'scan.toml', '--dry-run', '--data', 'shapes', *sets, home='fresh')
    assert done.returncode==0, done.stderr
    assert 'model.direction' in done.stdout and '(scan.toml)' in done.stdout and 'steps' in done.stdout
    assert see()==before and not (place/'fresh').exists()

def test_it_is_judged_and_searched(place):
    for args in (('t2i',), ('t2i', 'i2t')):
        done = itr(place, 'eval', *args, '--json')
        assert done.returncode==0 and json.loads(done.stdout)['rsum']>0, done.stderr
    found = json.loads(itr(place, 'search', 't2i', 'a large red circle', '-k', 3, '--json').stdout)
    assert len(found)==3 and all(h['name'].endswith('.png') for h in found)

def test_it_is_shown(place):
    assert (place/'t2i'/'card.html').exists() and (place/'i2t'/'card.html').exists()
    done = itr(place, 'show', 't2i', 'a red circle', '-k', 2)
    assert done.returncode==0, done.stderr
    assert (place/'t2i'/'show.html').read_text(encoding='utf-8').count('class="itr-card ')==2

def test_soft_labels_fit_it(place):
    sets = [x for s in [*small, 'teacher.size=32', 'teacher.image=efficientnet-lite0', 'train.epochs=1'] for x in ('--set', s)]
    done = itr(place, 'train', 'scan.toml+csa', '--data', 'shapes', '--out', 'soft', *sets)
    assert done.returncode==0, done.stderr
    assert 'csa' in json.loads((place/'soft'/'metrics.jsonl').read_text().splitlines()[0])

def test_a_run_says_what_it_lacks(place):
    "A run folder does not import what lies beside it; the error names the module"
    env = {**os.environ, 'PYTHONPATH':str(root), 'PYTHONSAFEPATH':'1'}
    done = subprocess.run([sys.executable, '-m', 'itr_nb', 'search', 't2i', 'x'], cwd=place, env=env, capture_output=True, text=True)
    assert done.returncode==1 and 'in the folder where one stands, that can be imported' in done.stderr, done.stderr

def test_a_run_is_opened_where_python_finds_its_module(place):
    "As for `itr`, which does not look in the folder where it is started"
    env = {**os.environ, 'PYTHONPATH':os.pathsep.join([str(root), str(place)]), 'PYTHONSAFEPATH':'1'}
    done = subprocess.run([sys.executable, '-m', 'itr_nb', 'search', 't2i', 'a red circle'], cwd=place, env=env, capture_output=True, text=True)
    assert done.returncode==0, done.stderr
