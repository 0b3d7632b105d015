"Two gloo processes give the losses, gradients and weights of one on the joint batch"
import json,os,subprocess,sys

import pytest
import torch
from common import root
from safetensors import safe_open
from two_process_toy import ways

def start(out, command):
    env = {**os.environ, 'OMP_NUM_THREADS':'1', 'ACCELERATE_USE_CPU':'true', 'PYTHONPATH':str(root)}
    r = subprocess.run(
        [sys.executable, *command, str(root/'tests'/'two_process_toy.py'), str(out)], env=env,
        capture_output=True, text=True, timeout=300)
    assert r.returncode==0, r.stderr
    with safe_open(out, 'pt') as f:
        return {k:f.get_tensor(k) for k in f.keys()},json.loads(f.metadata()['terms'])

@pytest.fixture(scope='module')
def one_and_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs')
    launch = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2']
    return start(folder/'one.safetensors', []),start(folder/'two.safetensors', launch)

def of(tensors, way, kind):
    return {k:x for k,x in tensors.items() if k.startswith(f'{way}.{kind}.')}

apart = 'alone','function' # each process ranks over its own pairs
joint = [w for w in ways if w not in apart]

def test_there_were_two(one_and_two):
    (_,one),(_,two) = one_and_two
    assert all(one[w]['world']==1 and two[w]['world']==2 for w in ways)
    assert one['hinge']['pairs']==two['hinge']['pairs']==[5, 5, 5, 4]*2, 'joint batches of odd size'
    for way in apart: assert two[way]['pairs']==[2, 2, 2, 2]*2, 'rank 0 ranks its own pairs alone'

@pytest.mark.parametrize('way', joint)
def test_losses_of_two_are_those_of_one(way, one_and_two):
    (_,one),(_,two) = one_and_two
    for a,b in zip(one[way]['terms'], two[way]['terms'], strict=True):
        for k in a: assert a[k]==pytest.approx(b[k], rel=1e-9, abs=1e-12), (way, k)

@pytest.mark.parametrize('kind', ['gradient', 'weight'])
@pytest.mark.parametrize('way', joint)
def test_gradients_and_weights_of_two_are_those_of_one(way, kind, one_and_two):
    (one,_),(two,_) = one_and_two
    a,b = of(one, way, kind),of(two, way, kind)
    assert len(a)>5
    for k in a:
        torch.testing.assert_close(
            b[k], a[k], rtol=1e-8, atol=1e-10, msg=lambda m: f'{k}: {m}')
    assert any(x.abs().max()>1e-3 for x in a.values())

def test_each_over_its_own_negatives_is_another_loss(one_and_two):
    "Negatives that are not gathered are fewer, and the gradient is the mean over the processes"
    (_,one),(a,two) = one_and_two
    assert two['alone']['terms'][0]['infonce']<one['alone']['terms'][0]['infonce']
    assert two['function']==two['alone'], 'a step that is a function of its own'
    for kind in ('gradient', 'weight'):
        mine,its = (of(a, way, kind) for way in apart)
        assert [*mine.values()] and all(map(torch.equal, mine.values(), its.values()))
