"A run that is killed anywhere and resumed ends as if nothing had happened, bit for bit: weights, optimizer, random generators, logs"
import os,subprocess,sys
from shutil import copytree

import pytest
import torch
from common import root
from safetensors.torch import load_file

from itr_nb.train.state import newest_checkpoint,read_checkpoint

def toy(*args, launch=()):
    env = {**os.environ, 'OMP_NUM_THREADS':'1', 'ACCELERATE_USE_CPU':'true', 'PYTHONPATH':str(root)}
    command = [sys.executable, *launch, str(root/'tests'/'train_toy.py'), *map(str, args)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)

def assert_same_end(folder, whole):
    (a,numbers),(b,others) = (read_checkpoint(f/'final.safetensors') for f in (folder, whole))
    assert numbers==others
    best = [load_file(f/'best.safetensors') for f in (folder, whole)]
    for a,b in ((a, b), best):
        assert a.keys()==b.keys()
        for k in a: assert torch.equal(a[k], b[k]), k
    assert (folder/'metrics.jsonl').read_text()==(whole/'metrics.jsonl').read_text()

@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    r = toy(folder)
    assert r.returncode==0, r.stderr
    return folder

def test_the_run_draws_at_random(whole):
    "Else the comparison below would be idle: what changes the random state changes the end"
    tensors,numbers = read_checkpoint(whole/'final.safetensors')
    assert numbers['step']==12 and len(numbers['history'])==3
    assert any(k.startswith('loss.') for k in tensors), 'the temperature is trained'
    assert any('running_mean' in k for k in tensors)
    last,_ = read_checkpoint(newest_checkpoint(whole/'state'))
    mean,now = (last[f'{part}.image.weight'] for part in ('callback.EMACB', 'model'))
    assert not torch.equal(mean, now), 'the averaged weights are kept beside the others'
    assert len({h['rsum'] for h in numbers['history']})==3

@pytest.mark.parametrize('kill', ['after_step:3', 'after_backward:11', 'save:3', 'before_epoch:2'])
def test_killed_and_resumed_is_as_uninterrupted(kill, whole, tmp_path):
    r = toy(tmp_path, '--kill', kill)
    assert r.returncode==-9, r.stderr
    assert not (tmp_path/'final.safetensors').exists()
    newest = newest_checkpoint(tmp_path/'state')
    numbers = read_checkpoint(newest)[1]
    assert 0<numbers['step']<12
    r = toy(tmp_path, '--resume')
    assert r.returncode==0, r.stderr
    assert_same_end(tmp_path, whole)

def test_killed_twice_the_first_time_before_anything_was_saved(whole, tmp_path):
    assert toy(tmp_path, '--kill', 'save:1').returncode==-9
    assert newest_checkpoint(tmp_path/'state') is None
    assert toy(tmp_path, '--resume', '--kill', 'save:4').returncode==-9
    r = toy(tmp_path, '--resume')
    assert r.returncode==0, r.stderr
    assert_same_end(tmp_path, whole)

def test_resuming_a_finished_run_changes_nothing(whole):
    before = {f:f.read_bytes() for f in whole.glob('*.*') if f.is_file()}
    r = toy(whole, '--resume')
    assert r.returncode==0, r.stderr
    assert read_checkpoint(whole/'final.safetensors')[1]['step']==12
    assert (whole/'metrics.jsonl').read_bytes()==before[whole/'metrics.jsonl']

def test_a_new_run_refuses_the_folder_of_another(whole):
    log = (whole/'metrics.jsonl').read_bytes()
    r = toy(whole)
    assert (whole/'metrics.jsonl').read_bytes()==log
    assert r.returncode!=0
    for said in ('no training states of another run', 'resume=folder'): assert said in r.stderr

def test_two_processes_killed_and_resumed(tmp_path):
    "Each has random numbers of its own, and goes on with them; one process goes on as well"
    launch = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2']
    a,b = tmp_path/'a',tmp_path/'b'
    r = toy(a, launch=launch)
    assert r.returncode==0, r.stderr
    assert toy(b, '--kill', 'after_step:7', launch=launch).returncode!=0
    assert read_checkpoint(newest_checkpoint(b/'state'))[1]['step']==6
    r = toy(copytree(b, tmp_path/'c'), '--resume')
    assert r.returncode==0, r.stderr
    assert len(read_checkpoint(tmp_path/'c'/'final.safetensors')[1]['rng'])==1
    r = toy(b, '--resume', launch=launch)
    assert r.returncode==0, r.stderr
    first,second = read_checkpoint(b/'final.safetensors')[1]['rng']
    assert first['torch']!=second['torch']
    assert_same_end(b, a)
