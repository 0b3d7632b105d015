"Recall and ranks against the released evaluation code, graded measures against ECCV Caption's own"
import numpy as np
import pytest
import torch

from itr_nb.judge.graded import graded_report,map_at_r,r_precision
from itr_nb.judge.ranks import ranks,retrieval_report
from tests.common import shared

own = np.repeat(np.arange(100), 5)

@pytest.fixture
def golden(): return np.load(shared('golden/recall.npz'))

@pytest.mark.parametrize('ties', ['pessimistic','optimistic'])
def test_ranks(golden, ties):
    for d,got in zip(('i2t','t2i'), ranks(golden['scores'], own, ties=ties)):
        assert (got.numpy()==golden[f'{d}_ranks']).all()

@pytest.mark.parametrize('direction', ['i2t','t2i'])
def test_report(golden, direction):
    rep = retrieval_report(torch.from_numpy(golden['scores']), own)
    got = [rep[f'{direction}_{k}'] for k in ('r1','r5','r10','medr','meanr')]
    np.testing.assert_allclose(got, golden[direction], rtol=1e-12)

def test_graded_equals_binary(golden):
    rep = retrieval_report(golden['scores'], own)
    graded = graded_report(golden['scores'], own[None]==np.arange(100)[:,None])
    for d in ('i2t','t2i'):
        for k in (1,5,10):
            assert graded[f'{d}_any_r{k}']==pytest.approx(rep[f'{d}_r{k}'], abs=1e-9)
    for key in ('t2i_map_at_r','t2i_r_precision'):
        assert graded[key]==pytest.approx(rep['t2i_r1'], abs=1e-9)

def test_eccv_caption():
    judge = pytest.importorskip(
        'eccv_caption._metrics',
        reason='eccv_caption is an optional judge: pip install eccv_caption==0.1.0')
    rng = np.random.default_rng(0)
    ranked = [rng.permutation(60).tolist() for _ in range(30)]
    relevant = [set(rng.choice(60, rng.integers(1, 15), replace=False).tolist()) for _ in ranked]
    theirs = judge.compute_eccv_metrics(dict(enumerate(ranked)), dict(enumerate(relevant)))
    assert map_at_r(ranked, relevant)==pytest.approx(theirs['eccv_map_at_r'], abs=1e-12)
    assert r_precision(ranked, relevant)==pytest.approx(theirs['eccv_rprecision'], abs=1e-12)
