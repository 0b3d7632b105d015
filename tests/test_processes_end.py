"Several gloo processes: one is killed, all are told to end, and another number goes on"
import os,socket,subprocess,sys
from pathlib import Path

import pytest
import torch
from common import root
from safetensors.torch import load_file

program = '''
import os,signal,sys
import torch
from itr_nb.core import Batch
from itr_nb.losses.triplet import TripletLoss
from itr_nb.model import dual
from itr_nb.train.callbacks import CheckpointCB
from itr_nb.train.ending import EndCB
from itr_nb.train.learner import Callback,Learner
from itr_nb.train.processes import end_processes
from itr_nb.train.state import save_weights

folder,name = sys.argv[1:3]

class Toy:
    steps_per_epoch = 3
    def train_loader(self, epoch):
        g = torch.Generator().manual_seed(epoch)
        def draw(n, *shape): return torch.randn(n, *shape, generator=g)
        return [Batch.of(regions=draw(n, 2, 5), words=draw(n, 2, 4)) for n in (7,5,4)]

class Signal(Callback):
    "Process 1 gets a signal in step 1"
    def after_loss(self, learner):
        if learner.rank==1 and learner.step==1: os.kill(os.getpid(), getattr(signal, name))

checkpoints = CheckpointCB(folder)
torch.manual_seed(0)
callbacks = [checkpoints, EndCB(checkpoints, every=2)]
if name!='none': callbacks.append(Signal())
learner = Learner(dual(5, 4, dim=6), Toy(), TripletLoss(.2), lr=.01, callbacks=callbacks)
try:
    learner.fit(2, resume=folder)
    if learner.is_main: save_weights(learner.model, folder+'/weights.safetensors')
    end_processes()
except SystemExit:
    end_processes()
    raise
'''

def start(folder, name, world):
    "The program on so many processes of this machine: exit codes and what they said"
    folder.mkdir(exist_ok=True)
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    env = {**os.environ, 'OMP_NUM_THREADS':'1', 'ACCELERATE_USE_CPU':'true', 'PYTHONPATH':str(root)}
    if world>1: env |= dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), WORLD_SIZE=str(world))
    def one(rank):
        ranks = dict(RANK=str(rank), LOCAL_RANK=str(rank)) if world>1 else {}
        return subprocess.Popen([sys.executable, '-c', program, str(folder), name], env=env|ranks, stderr=subprocess.PIPE, text=True)
    running = [one(rank) for rank in range(world)]
    try: said = [p.communicate(timeout=120)[1] for p in running]
    finally:
        for p in running: p.kill()
    return [p.returncode for p in running],said

def test_one_is_killed(tmp_path):
    "The others do not wait for it, and say who it was"
    codes,said = start(tmp_path/'run', 'SIGKILL', 3)
    assert codes[1]==-9 and codes[0]==codes[2]==1, (codes, said)
    for rank in (0, 2): assert 'process 1 of 3 (pid ' in said[rank] and 'process 0' not in said[rank], said[rank]

@pytest.fixture(scope='module')
def ended(tmp_path_factory):
    "A run of two processes of which one is told to end, and the same run in one piece"
    folder = tmp_path_factory.mktemp('runs')
    whole = start(folder/'whole', 'none', 1)
    assert whole[0]==[0], whole
    return folder,*start(folder/'ended', 'SIGTERM', 2)

def test_sigterm_ends_both(ended):
    "One checkpoint, one sentence, and the exit code of a run that has more to do"
    folder,codes,said = ended
    assert codes==[75, 75], said
    assert [p.name for p in (folder/'ended').iterdir()]==['step-000000002.safetensors']
    assert sum('ended by SIGTERM after step 2: resume to go on' in s for s in said)==1, said

@pytest.mark.parametrize('world', [1, 3])
def test_another_number_goes_on(ended, world, tmp_path):
    "The joint batches are the same, also where their rows cannot be shared out evenly, so the weights are those of one piece"
    folder,*_ = ended
    (tmp_path/'step-000000002.safetensors').write_bytes((folder/'ended'/'step-000000002.safetensors').read_bytes())
    codes,said = start(tmp_path, 'none', world)
    assert codes==[0]*world, said
    got,want = (load_file(Path(d)/'weights.safetensors') for d in (tmp_path, folder/'whole'))
    for k in want: torch.testing.assert_close(got[k], want[k], rtol=1e-5, atol=1e-6, msg=lambda m: f'{k}: {m}')
