"An index that is killed at any moment is whole, and the next pass makes it what it would have been"
import json,os,signal,subprocess,sys
from pathlib import Path

import numpy as np
import pytest
from common import root
from PIL import Image
from test_features_kill import wait_for

from itr_nb.recipe import load_recipe
from itr_nb.run import Index,train

# Forks a warm process for each moment: the child dies there, the parent goes on with what it left
driver = '''
import contextlib,functools,json,os,shutil,signal,sys
from pathlib import Path
import torch
from itr_nb.run import Index,Run,index,scan,store

home = Path(sys.argv[1])
run = Run.load(home/'run')
index.update = functools.partial(scan.update, flush=4)
Store,seen = store.Store,[0]
real_write,real_changing,real_save = Store._write_part,Store.changing,store.save_file

def die(at):
    seen[0] += 1
    if seen[0]==at: os.kill(os.getpid(), signal.SIGKILL)

def half_a_part(at):
    def save(x, path):
        real_save(x, path)
        os.truncate(path, Path(path).stat().st_size//2)
        die(at)
        real_save(x, path)
    store.save_file = save

def before_names(at):
    def write(self, x):
        n = real_write(self, x)
        die(at)
        return n
    Store._write_part = write

def in_a_transaction(at):
    @contextlib.contextmanager
    def changing(self):
        with real_changing(self) as t:
            yield t
            die(at)
    Store.changing = changing

def after_a_transaction(at):
    @contextlib.contextmanager
    def changing(self):
        with real_changing(self) as t: yield t
        die(at)
    Store.changing = changing

def build(out): return Index.build(run, home/'photos', out, progress=False)

def content(found):
    rows = {}
    with found.store.reading() as parts:
        for n,x in parts.items():
            for at,v in enumerate(x.glob):
                for _,name in found.store.names_at((n, at)): rows[name] = v.tolist()
    return rows

def close(a, b):
    "The same files with the same vectors, as far as a batch of another size rounds them"
    return a.keys()==b.keys() and all(abs(x-y)<1e-5 for k in a for x,y in zip(a[k], b[k]))

def killed(moment, at, begin):
    "How a child ended that wrote to a copy of `begin`, and whether what it left becomes whole"
    out = home/'killed'
    shutil.rmtree(out, ignore_errors=True)
    if begin.exists(): shutil.copytree(begin, out)
    pid = os.fork()
    if not pid:
        try:
            moment(at)
            build(out)
        finally: os._exit(0)
    died = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])==-signal.SIGKILL
    left = {}
    if (out/'files.sqlite').exists() and (out/'index.json').exists():
        found = Index.load(out, run)
        left = content(found)
        assert {h.name for h in found.search('a shade', k=10**6)}<=set(left), 'a search finds what is not there'
    again = build(out)
    named = {f'{n}.safetensors' for n, in again.store.ask('select part from parts')}
    there = {p.name for p in (out/'parts').glob('*.safetensors')}
    return died,again.changes.encoded,close(content(again), want),named==there,all(k in before|want for k in left)

def state(step):
    p = home/'photos'
    for k in range(0, 40): shutil.copy(home/'all'/f'{k}.png', p/f'{k}.png')
    if step:
        (p/'3.png').rename(p/'renamed.png')
        for k in (4, 5): (p/f'{k}.png').unlink()
        shutil.copy(home/'all'/'99.png', p/'6.png')
        for k in range(40, 90): shutil.copy(home/'all'/f'{k}.png', p/f'{k}.png')

said = []
(home/'photos').mkdir()
for step,begin in ((0, home/'nothing'), (1, home/'first')):
    before = content(Index.load(begin, run)) if begin.exists() else {}
    state(step)
    whole = build(home/f'whole{step}')
    want,total = content(whole),whole.changes.encoded
    if not step: build(home/'first')
    for moment in (half_a_part, before_names, in_a_transaction, after_a_transaction):
        for at in range(1, 30):
            died,*rest = killed(moment, at, begin)
            said.append((step, moment.__name__, at, died, *rest, total))
            if not died: break
print(json.dumps(said))
'''

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "A run on forty shades, and a hundred pictures of noise"
    d = tmp_path_factory.mktemp('index')
    lot = np.random.default_rng(0)
    (d/'shades').mkdir()
    (d/'all').mkdir()
    lines = ['image,caption,split']
    for k in range(40):
        Image.new('RGB', (40,40), (6*k, 255-6*k, 90)).save(d/'shades'/f'{k}.png')
        lines.append(f"{k}.png,shade number {k},{'train' if k<30 else 'test'}")
    (d/'shades'/'captions.csv').write_text('\n'.join(lines))
    for k in range(100):
        Image.fromarray(lot.integers(0, 256, (8,8,3), dtype=np.uint8)).save(d/'all'/f'{k}.png')
    changes = {'image.size':32, 'text.encoder':'gru', 'text.min_count':1, 'model.dim':16, 'model.word_dim':8, 'train.epochs':1, 'train.batch_size':8}
    train(load_recipe('dual-photos', changes), str(d/'shades'), d/'run', home=d/'cache', progress=False)
    return d

def environment(home): return {**os.environ, 'ITR_NB_HOME':str(home/'cache'), 'OMP_NUM_THREADS':'1', 'PYTHONPATH':str(root)}

def test_killed_at_every_step_of_a_pass(home):
    r = subprocess.run([sys.executable, '-c', driver, str(home)], capture_output=True, text=True, env=environment(home), timeout=600)
    assert r.returncode==0, r.stderr
    said = json.loads(r.stdout)
    for step,moment,at,died,encoded,same,tidy,known,total in said:
        where = f'pass {step}, {moment} {at}'
        assert same, f'{where}: other rows than without a kill'
        assert tidy, f'{where}: parts that nobody names'
        assert known, f'{where}: a file that was never there'
        assert encoded<=(total if step==0 else 52), where
    for moment in ('half_a_part', 'before_names', 'in_a_transaction', 'after_a_transaction'):
        deaths = [s for s in said if s[1]==moment and s[3]]
        assert len(deaths)>=4, f'{moment}: died {len(deaths)} times only'
    late = [s for s in said if s[1]=='after_a_transaction' and s[3] and s[0]==1]
    assert any(s[4]<20 for s in late), 'what was encoded before the kill is encoded again'

def test_killed_from_outside(home, tmp_path):
    "`itr index` is killed twice, whatever it was doing, and the third call finishes what is left"
    lot = np.random.default_rng(1)
    (tmp_path/'photos').mkdir()
    for k in range(900):
        Image.fromarray(lot.integers(0, 256, (8,8,3), dtype=np.uint8)).save(tmp_path/'photos'/f'{k}.png')
    itr = Path(sys.executable).with_name('itr')
    command = list(map(str, (itr, 'index', home/'run', tmp_path/'photos', '--out', tmp_path/'index', '--json')))
    kept = 0
    for more in (1, 300):
        p = subprocess.Popen(command, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        def rows():
            try: return len(Index.load(tmp_path/'index'))
            except (OSError, ValueError): return 0
        wait_for(lambda: p.poll() is not None or rows()>=more, 120)
        p.send_signal(signal.SIGKILL)
        p.wait()
        assert rows()>=kept
        kept = rows()
    r = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=300)
    assert r.returncode==0, r.stderr
    told = json.loads(r.stdout)
    assert told['pictures']==900 and told['encoded']==900-kept and kept
