"A small size of every benchmark: it runs, its forms agree, and forms that differ make it fail"
import json,os,pkgutil,subprocess,sys,time
from argparse import Namespace

import pytest
import torch
from common import root

sys.path.insert(0, str(root))
import benchmarks
from benchmarks._harness import Case,bench,difference

names = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith('_')]

def run(*words):
    env = dict(os.environ, OMP_NUM_THREADS='1')
    return subprocess.run([sys.executable, '-m', *words], cwd=root, capture_output=True, text=True, timeout=300, env=env)

@pytest.mark.parametrize('name', names)
def test_small(name, tmp_path):
    out = tmp_path/'out.json'
    p = run(f'benchmarks.{name}', '--small', '--out', str(out))
    assert p.returncode==0, p.stderr
    report = json.loads(p.stdout)
    assert report==json.loads(out.read_text()) and report['benchmark']==name and not report['ended']
    assert torch.cuda.is_available() or ('no GPU: the small form, on the CPU' in p.stderr)==(name=='gpu')
    for case in report['cases']:
        first,*others = case['forms'].values()
        assert others and first['ratio']==1 and first['max_difference']==0
        for form in case['forms'].values():
            assert form['exact'] and form['wall_ms']>0 and form['max_difference']<=form['allowed']

def test_difference():
    assert difference([torch.tensor([1.,2.])], [torch.tensor([1.,4.])])==.5
    assert difference(torch.tensor([.1]), torch.tensor([.2]))==pytest.approx(.1)
    assert difference(torch.zeros(2), torch.zeros(3))==float('inf')
    assert difference(torch.tensor(float('nan')), torch.tensor(0.))==float('inf')

def test_forms_that_differ_fail(capsys):
    case = Case('sum', dict(right=lambda: torch.ones(3).sum(), wrong=lambda: torch.ones(3).mean()))
    with pytest.raises(SystemExit, match='forms differ: sum: wrong'): bench('example', lambda args: [case], argv=['--small'])
    assert 'DIFFERS' in capsys.readouterr().err
    slow = Case('sum', dict(right=lambda: torch.ones(3).sum(), slow=lambda: sum(torch.ones(3))))
    assert bench('example', lambda args: [slow], argv=['--small'])['cases'][0]['forms']['slow']['exact']

def test_parts_that_take_long_or_fail(tmp_path):
    "Each is said, what came before them stays and is written, and the others go on"
    ones = dict(a=lambda: torch.ones(3), b=lambda: torch.ones(3))
    def long(args):
        yield Case('short', ones)
        yield Case('long', dict(a=lambda: time.sleep(60)))
    def broken(args):
        raise ValueError('no such thing')
        yield
    seen = []
    def last(args):
        seen.append([c['name'] for c in json.loads(out.read_text())['cases']])
        yield Case('last', ones, once=True)
    out,start = tmp_path/'out.json',time.monotonic()
    parts = dict(long=(.5, long), last=(60, last))
    report = bench('example', parts, argv=['--small', '--out', str(out)])
    assert time.monotonic()-start<30 and seen==[['short']] and report==json.loads(out.read_text())
    assert [(c['name'],c['repeats']) for c in report['cases']]==[('short',2),('last',0)]
    assert report['ended']=={'long':'cut off after 0.5 seconds'}
    with pytest.raises(SystemExit, match='failed: broken'):
        bench('example', dict(broken=(60, broken), last=(60, last)), argv=['--small', '--out', str(out)])
    written = json.loads(out.read_text())
    assert [c['name'] for c in written['cases']]==['last'] and 'no such thing' in written['ended']['broken']

def test_parts_of_the_gpu():
    "Together under eight minutes, with some left for the start; a wrong gradient or score is seen"
    from benchmarks import _gpu_correct
    from benchmarks.gpu import parts
    assert sum(seconds for seconds,_ in parts.values())<=450
    case = next(_gpu_correct.cases(Namespace(small=True, device='cpu')))
    want,got = (f() for f in case.forms.values())
    assert difference(got, want)<=case.tolerance
    for at in range(len(got)):
        wrong = [x.clone() for x in got]
        wrong[at].view(-1)[0] += .01
        assert difference(wrong, want)>case.tolerance

def test_a_step_that_is_recorded_waits_for_nothing():
    "And the prediction: the host's time where it is more, the device's where that is"
    from benchmarks._gpu_steps import rehearsed
    from benchmarks._harness import predicted
    (launches,waits),(many,_) = rehearsed('padded', 6),rehearsed('by caption', 6)
    assert waits==0 and launches<many
    costs = Namespace(launch_us=5, wait_us=20, gb_per_s=1000)
    assert predicted(costs, 1, launches=1000, waits=2)==pytest.approx(5.04)
    assert predicted(costs, 1000, launches=1, work=6e9, moved=1e9)==pytest.approx(7)
