"A real SIGTERM, as a scheduler sends it: checkpoint, own exit code, and a second run that ends as one in one piece would"
import subprocess,sys

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
from itr_nb.train.state import save_weights

class Toy:
    steps_per_epoch = 3
    def train_loader(self, epoch):
        g = torch.Generator().manual_seed(epoch)
        draw = lambda *shape: torch.randn(4, *shape, generator=g)
        return [Batch.of(regions=draw(2, 5), words=draw(2, 4)) for _ in range(3)]

class Scheduler(Callback):
    def after_loss(self, learner):
        if learner.step==int(sys.argv[2]): os.kill(os.getpid(), signal.SIGTERM)

checkpoints = CheckpointCB(sys.argv[1])
torch.manual_seed(0)
learner = Learner(dual(5, 4, dim=6), Toy(), TripletLoss(.2), callbacks=[checkpoints, EndCB(checkpoints), Scheduler()])
learner.fit(2, resume=sys.argv[1])
save_weights(learner.model, sys.argv[1]+'/weights.safetensors')
'''

def run(folder, at):
    "The program, which is sent the signal in step `at`"
    folder.mkdir(exist_ok=True)
    return subprocess.run([sys.executable, '-c', program, str(folder), str(at)], cwd=root, capture_output=True, text=True)

def test_sigterm(tmp_path):
    ended,again,whole = run(tmp_path/'a', 1),run(tmp_path/'a', -1),run(tmp_path/'b', -1)
    assert ended.returncode==75 and 'ended by SIGTERM after step 2: resume to go on' in ended.stderr, ended.stderr
    assert again.returncode==whole.returncode==0, again.stderr+whole.stderr
    got,want = (load_file(tmp_path/f/'weights.safetensors') for f in 'ab')
    assert got.keys()==want.keys() and all(torch.equal(got[k], want[k]) for k in want)
