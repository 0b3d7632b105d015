"A process killed while it extracts features loses the shard it was filling and nothing else; two processes do the work once"
import json,os,signal,subprocess,sys,time
from pathlib import Path

import numpy as np
import pytest
import torch
from common import root
from PIL import Image
from safetensors.torch import load_file

from itr_nb.cusa.unicom import Unicom

setup = '''
import json,os,signal,sys,time
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from torch import nn
import itr_nb.encode.features as features

class Slow(nn.Module):
    dim,fingerprint = 3,'mean colour, slowly'
    def __init__(self, wait=0): super().__init__(); self.wait,self.seen = wait,0
    def preprocess(self, images): return torch.from_numpy(np.stack([np.asarray(im) for im in images])).permute(0,3,1,2)/255
    def forward(self, pixels): self.seen += len(pixels); time.sleep(self.wait); return pixels.mean((2,3))[:,None]

def images(n=20):
    x = torch.randint(0, 256, (n,6,6,3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return [Image.fromarray(im.numpy()) for im in x]

def run(home, wait=0):
    m = Slow(wait)
    rows = features.extract(images(), m, home, name='kill', shard=4, batch_size=2, progress=False)
    return rows,m.seen
'''
exec(setup)

def child(code, home):
    return subprocess.Popen([sys.executable, '-c', f'{setup}\n{code}', str(home)], stdout=subprocess.PIPE, text=True)

def content(home): return [x.tobytes() for x in run(home)[0]]
def finished(home):
    "Shards that were written to their end: not those in the hidden folder of a writer"
    return [p for p in home.rglob('0*.safetensors') if not any(part.startswith('.') for part in p.relative_to(home).parts)]

def shards(home): return sorted(p.name for p in finished(home))

def wait_for(condition, seconds=60):
    end = time.monotonic()+seconds
    while not condition():
        if time.monotonic()>end: pytest.fail('the other process did nothing')
        time.sleep(.01)

def test_killed_from_outside(tmp_path):
    p = child('run(sys.argv[1], wait=.2)', tmp_path/'a')
    wait_for(lambda: len(shards(tmp_path/'a'))>=2)
    p.send_signal(signal.SIGKILL)
    assert p.wait()==-signal.SIGKILL
    kept = len(shards(tmp_path/'a'))
    assert 2<=kept<5
    rows,seen = run(tmp_path/'a')
    assert seen==20-4*kept
    assert [x.tobytes() for x in rows]==content(tmp_path/'b')

def test_killed_in_the_middle_of_a_write(tmp_path):
    code = '''
real,n = features._write_file,[0]
def dies(path, data):
    n[0] += 1
    if n[0]==3: path.write_bytes(data[:len(data)//2]); os.kill(os.getpid(), signal.SIGKILL)
    real(path, data)
features._write_file = dies
run(sys.argv[1])
'''
    assert child(code, tmp_path/'a').wait()==-signal.SIGKILL
    assert shards(tmp_path/'a')==['00000.safetensors', '00001.safetensors']
    strays = list((tmp_path/'a').rglob('.0*.part'))
    assert len(strays)==1
    os.utime(strays[0], (0, 0)) # a folder that is younger than half a second may still be waiting for its lock
    rows,seen = run(tmp_path/'a')
    assert seen==12 and not strays[0].exists()
    assert [x.tobytes() for x in rows]==content(tmp_path/'b')

def test_two_processes_do_the_work_once(tmp_path):
    both = [child('print(run(sys.argv[1], wait=.1)[1])', tmp_path/'a') for _ in range(2)]
    seen = [int(p.communicate(timeout=120)[0]) for p in both]
    assert sorted(seen)==[0,20]
    assert content(tmp_path/'a')==content(tmp_path/'b')

def test_full_disk_of_the_operating_system(tmp_path):
    "The limit on file sizes fails writes in the kernel, in the middle of a file, as a full disk does"
    code = '''
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
try: features.extract(images(), Slow(), sys.argv[1], shard=20, batch_size=20, progress=False, boxes=[np.array([[0,0,1,1]]*9)]*20)
except OSError as e: print(json.dumps([e.errno, sorted(p.name for p in Path(sys.argv[1]).rglob('*.safetensors'))]))
'''
    import errno
    out,_ = child(code, tmp_path/'a').communicate(timeout=120)
    assert json.loads(out)==[errno.EFBIG, []]

def unicom_file(path):
    "A file of Unicom's layout, large enough that its 187 pictures after the first shard take a while"
    torch.manual_seed(0)
    torch.save(Unicom(size=64, patch=8, width=192, depth=2, hidden=768, dim=64).half().state_dict(), path)
    return path

@pytest.mark.parametrize('teacher', ['efficientnet-lite0', 'unicom'])
def test_teachers_killed_and_asked_again(teacher, tmp_path):
    "`itr encode --teacher` is killed after its first shard of images; the second call takes that up, and its file is that of a call that was never killed"
    if teacher=='unicom': teacher = unicom_file(tmp_path/'unicom.pt')
    rng = np.random.default_rng(0)
    (tmp_path/'photos').mkdir()
    for k in range(700): Image.fromarray(rng.integers(0, 256, (8,8,3), dtype=np.uint8)).save(tmp_path/'photos'/f'{k}.png')
    (tmp_path/'photos'/'captions.csv').write_text('\n'.join(['image,caption,split', *(f'{k}.png,shade number {k},{"train" if k else "test"}' for k in range(700))]))
    def command(home, out):
        args = [Path(sys.executable).with_name('itr'), 'encode', '--teacher', f'image={teacher}', '--teacher', 'size=32', '--data', 'photos', '--out', out]
        return subprocess.Popen(list(map(str, args)), cwd=tmp_path, env={**os.environ, 'ITR_NB_HOME':str(tmp_path/home), 'OMP_NUM_THREADS':'1', 'PYTHONPATH':str(root)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    p = command('a', 'killed.safetensors')
    wait_for(lambda: shards(tmp_path/'a'))
    p.send_signal(signal.SIGKILL)
    assert p.wait()==-signal.SIGKILL and not (tmp_path/'killed.safetensors').exists()
    kept = {f:f.stat().st_mtime_ns for f in finished(tmp_path/'a')}
    for home,out in (('a','again.safetensors'), ('b','whole.safetensors')):
        said,errors = (p := command(home, out)).communicate(timeout=300)
        assert p.returncode==0 and 'teacher_image: 699 rows' in said, errors
    assert kept.items()<={f:f.stat().st_mtime_ns for f in finished(tmp_path/'a')}.items()
    assert len(shards(tmp_path/'b'))>len(kept)
    again,whole = (load_file(tmp_path/f'{f}.safetensors') for f in ('again','whole'))
    assert again.keys()==whole.keys() and all(torch.equal(x, whole[k]) for k,x in again.items())
