"A training state that is damaged, of something else, or too large for the disk: a clear error, and what was whole stays whole"
import os

import pytest
import torch
from test_resume import toy
from train_toy import learner

from itr_nb.core import ArgumentError
from itr_nb.train.state import newest_checkpoint,read_checkpoint

@pytest.fixture
def run(tmp_path):
    learner(tmp_path).fit(2)
    return tmp_path

def weights(l): return {k:x.clone() for k,x in l.model.state_dict().items()}

def assert_refused(l, folder, *words, resume='state', error=ArgumentError):
    "The error says `words`, and the learner is as it was"
    before = weights(l)
    with pytest.raises(error) as e: l.fit(3, resume=folder/resume)
    for w in words: assert w in str(e.value), str(e.value)
    assert l.step==l.epoch==0 and not l.optimizer.state_dict()['state']
    assert all(torch.equal(x, l.model.state_dict()[k]) for k,x in before.items())

@pytest.mark.parametrize('share', [.99, .5, .001, 0.])
def test_truncated(share, run):
    newest = newest_checkpoint(run/'state')
    older = sorted((run/'state').glob('*'))[-2]
    os.truncate(newest, int(newest.stat().st_size*share))
    assert_refused(learner(run), run, newest.name, 'whole training state')
    l = learner(run)
    l.fit(3, resume=older)
    assert l.step==12 and read_checkpoint(newest_checkpoint(run/'state'))[1]['step']==12

def test_keeps_the_last_two(run):
    names = [f.name for f in sorted((run/'state').iterdir())]
    assert names==['step-000000006.safetensors', 'step-000000008.safetensors']

def test_of_another_model(run):
    files = {f:f.read_bytes() for f in (run/'state').iterdir()}
    assert_refused(
        learner(run, dim=9), run, 'the model that is being trained',
        'image.weight: (8, 6) in the file, (9, 6) here')
    assert {f:f.read_bytes() for f in (run/'state').iterdir()}==files

def test_of_other_data(run):
    assert_refused(learner(run, n=60), run, 'batches an epoch 10, as here', 'got 8')

def test_of_another_loss(run):
    l = learner(run)
    l.loss.losses[1].register_parameter('more', torch.nn.Parameter(torch.ones(())))
    assert_refused(
        l, run, 'the loss that is being trained', 'more: none in the file, () here')

def test_no_training_state(run):
    assert_refused(
        learner(run), run, 'best.safetensors', 'a whole training state',
        resume='best.safetensors')
    (run/'notes.txt').write_text('not a tensor in sight')
    assert_refused(learner(run), run, 'notes.txt', resume='notes.txt')

def test_not_there(run):
    assert_refused(
        learner(run), run, 'nothing.safetensors', resume='nothing.safetensors',
        error=FileNotFoundError)

def test_the_best_snapshot_is_gone(run):
    (run/'best.safetensors').unlink()
    with pytest.raises(FileNotFoundError, match='best.safetensors.*start anew'):
        learner(run).fit(3, resume=run/'state')

def test_full_disk(tmp_path):
    pytest.importorskip('resource')
    r = toy(tmp_path, '--disk', 4096)
    assert r.returncode!=0 and 'could not be written' in r.stderr, r.stderr
    left = [f.name for f in (tmp_path/'state').iterdir()]
    assert left==['step-000000002.safetensors'], 'the old one alone, and nothing half-written'
    assert read_checkpoint(tmp_path/'state'/left[0])[1]['step']==2
    r = toy(tmp_path, '--resume')
    assert r.returncode==0, r.stderr
