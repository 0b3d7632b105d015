"A small size of every benchmark: it runs, its forms agree, and forms that differ make it fail"
import json,os,pkgutil,subprocess,sys

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
    assert report==json.loads(out.read_text()) and report['benchmark']==name
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

def test_a_step_that_is_recorded_waits_for_nothing():
    "And the prediction: the host's time where it is more, the device's where that is"
    from argparse import Namespace
    from benchmarks.gpu import predicted,rehearsed
    (launches,waits),(many,_) = rehearsed('padded', 6),rehearsed('by caption', 6)
    assert waits==0 and launches<many
    costs = Namespace(launch_us=5, wait_us=20, gb_per_s=1000)
    assert predicted(1000, 2, 0, 0, 1, costs)==pytest.approx(5.04)
    assert predicted(1, 0, 6e9, 1e8, 1000, costs)==pytest.approx(7)
