"""A small training run with everything that could make a resume differ, for tests to start, kill and resume

`python train_toy.py FOLDER [--resume] [--kill WHERE:NUMBER] [--disk BYTES]`"""
import argparse,os,random,signal
from pathlib import Path

import numpy as np
import torch
from torch import nn

from itr_nb.core import ImageStates,l2norm,masked_mean,TextStates
from itr_nb.data.batches import RetrievalData
from itr_nb.data.pairs import CaptionPairs
from itr_nb.losses.infonce import InfoNCE
from itr_nb.losses.triplet import TripletLoss
from itr_nb.train import state
from itr_nb.train.callbacks import (
    BestSnapshotCB,CheckpointCB,EarlyStopCB,EMACB,HingeWarmupCB,ScheduleCB,TrackerCB,
)
from itr_nb.train.learner import Callback,Learner
from itr_nb.train.processes import end_processes

def pairs(n, seed=1):
    "Images with two to four regions and captions with one to three words that share a hidden cause"
    r,mix = np.random.default_rng(seed),np.random.default_rng(0).normal(size=(2, 4, 6))
    z,ids = r.normal(size=(n, 4)),np.arange(n)
    def some(side, i, lo, hi):
        noise = .7*r.normal(size=(r.integers(lo, hi+1), 6))
        return (z[i]@mix[side]+noise).astype('float32')
    return CaptionPairs(
        images=[some(0, i, 2, 4) for i in ids], words=[some(1, i, 1, 3) for i in ids],
        captions=[f'caption {i}' for i in ids], image_of=ids, image_id=ids,
        image_names=[f'{i}.png' for i in ids])

class TwoBranches(nn.Module):
    "Linear branches, a batch norm for its buffers, and noise from three random generators"
    def __init__(self, dim=8, noise=.1, norm=True):
        super().__init__()
        self.image,self.text = nn.Linear(6, dim),nn.Linear(6, dim)
        self.norm = nn.BatchNorm1d(dim) if norm else nn.Identity()
        self.drop,self.noise = nn.Dropout(noise),noise

    def encode(self, x, mask, branch, cls):
        local = self.drop(branch(x.to(branch.weight.dtype)))
        if self.training and self.noise:
            local = local*(1+self.noise*random.random()+self.noise*np.random.rand())
        return cls(l2norm(self.norm(masked_mean(local, mask))), local, mask)

    def encode_image(self, b): return self.encode(b.regions, b.region_mask, self.image, ImageStates)
    def encode_text(self, b): return self.encode(b.words, b.word_mask, self.text, TextStates)
    def score(self, images, texts): return images.glob@texts.glob.T
    def scores(self, images, texts): return [self.score(images, texts)]

class Kill(Callback):
    "The end of the process, as by kill -9, after so many of an event"
    order = 1000
    def __init__(self, where, number):
        self.left = number
        setattr(self, where, self.count)

    def count(self, learner):
        self.left -= 1
        if not self.left: os.kill(os.getpid(), signal.SIGKILL)

def kill_in_save(number):
    "Die with half of a checkpoint on the disk; a snapshot of weights alone has no header"
    whole,left = state.save_file,[number]
    def half(tensors, path, metadata=None):
        whole(tensors, path, metadata=metadata)
        left[0] -= metadata is not None
        if left[0]: return
        os.truncate(path, os.path.getsize(path)//2)
        os.kill(os.getpid(), signal.SIGKILL)
    state.save_file = half

def validate(model):
    "Recall of unseen pairs, and a little that is drawn at random"
    unseen = RetrievalData(dict(train=pairs(20, 2)), batch_size=20)
    batch = next(iter(unseen.train_loader(0)))
    sims = model.score(model.encode_image(batch), model.encode_text(batch))
    return dict(rsum=100*(sims.argmax(1)==torch.arange(20)).double().mean()+torch.rand(()))

def learner(folder, extra=(), dim=8, n=46, **kw):
    folder = Path(folder)
    torch.manual_seed(0)
    cbs = [
        ScheduleCB('cosine', warmup=.2), HingeWarmupCB(1), TrackerCB(folder), EMACB(.8),
        BestSnapshotCB(folder/'best.safetensors'), EarlyStopCB(3),
        CheckpointCB(folder/'state', every=2), *extra]
    data = RetrievalData(dict(train=pairs(n)), batch_size=6)
    return Learner(
        TwoBranches(dim), data, .1*TripletLoss()+InfoNCE(.1), lr=2e-2, weight_decay=.1,
        clip=2., accumulate=2, callbacks=cbs, validate=validate, **kw)

if __name__=='__main__':
    p = argparse.ArgumentParser()
    p.add_argument('folder', type=Path)
    p.add_argument('--resume', action='store_true')
    p.add_argument('--kill', default='')
    p.add_argument(
        '--disk', type=int,
        help='no file may grow beyond so many bytes after the first checkpoint')
    a = p.parse_args()
    extra = []
    where,_,number = a.kill.partition(':')
    if where=='save': kill_in_save(int(number))
    elif where: extra = [Kill(where, int(number))]
    if a.disk:
        import resource
        class Full(Callback):
            order = 1000
            def after_step(self, learner):
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                if learner.step!=3: return
                resource.setrlimit(resource.RLIMIT_FSIZE, (a.disk, a.disk))
        extra = [Full()]
    l = learner(a.folder, extra)
    l.fit(3, resume=a.folder/'state' if a.resume else None)
    l.save(a.folder/'final.safetensors')
    del l
    end_processes()
