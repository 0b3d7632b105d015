"""A small training run with everything that could make a resume differ, for tests to start, kill and resume in a process of its own

`python train_toy.py FOLDER [--resume] [--kill WHERE:NUMBER] [--disk BYTES]`"""
import argparse,os,random,signal
from pathlib import Path

import numpy as np
import torch
from torch import nn

import itr_nb.learner
from itr_nb.callbacks import BestSnapshotCB,CheckpointCB,EarlyStopCB,HingeWarmupCB,ScheduleCB,TrackerCB
from itr_nb.core import ImageStates,TextStates,l2norm,masked_mean
from itr_nb.data import CaptionPairs,RetrievalData
from itr_nb.learner import Callback,Learner,end_processes
from itr_nb.losses.infonce import InfoNCE
from itr_nb.losses.triplet import TripletLoss

def pairs(n, seed=1):
    "Images with two to four regions and captions with one to three words that share a hidden cause"
    r,mix = np.random.default_rng(seed),np.random.default_rng(0).normal(size=(2, 4, 6))
    z = r.normal(size=(n, 4))
    some = lambda side,i,lo,hi: (z[i]@mix[side]+.7*r.normal(size=(r.integers(lo, hi+1), 6))).astype('float32')
    ids = np.arange(n)
    return CaptionPairs(images=[some(0, i, 2, 4) for i in ids], words=[some(1, i, 1, 3) for i in ids], captions=[f'caption {i}' for i in ids],
        image_of=ids, image_id=ids, image_names=[f'{i}.png' for i in ids])

class TwoBranches(nn.Module):
    "Linear branches, a batch norm for its buffers, and noise from three random generators"
    def __init__(self, dim=8, noise=.1, norm=True):
        super().__init__()
        self.image,self.text = nn.Linear(6, dim),nn.Linear(6, dim)
        self.norm,self.drop,self.noise = nn.BatchNorm1d(dim) if norm else nn.Identity(),nn.Dropout(noise),noise

    def encode(self, x, mask, branch, cls):
        local = self.drop(branch(x.to(branch.weight.dtype)))
        if self.training and self.noise: local = local*(1+self.noise*random.random()+self.noise*np.random.rand())
        return cls(l2norm(self.norm(masked_mean(local, mask))), local, mask)

    def encode_image(self, b): return self.encode(b.regions, b.region_mask, self.image, ImageStates)
    def encode_text(self, b): return self.encode(b.words, b.word_mask, self.text, TextStates)
    def score(self, images, texts): return images.glob@texts.glob.T

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
    "Die with half of a checkpoint on the disk"
    whole,left = itr_nb.learner.save_file,[number]
    def half(tensors, path, metadata=None):
        whole(tensors, path, metadata=metadata)
        left[0] -= 1
        if left[0]: return
        os.truncate(path, os.path.getsize(path)//2)
        os.kill(os.getpid(), signal.SIGKILL)
    itr_nb.learner.save_file = half

def learner(folder, extra=(), dim=8, n=46, **kw):
    folder = Path(folder)
    torch.manual_seed(0)
    data = RetrievalData(dict(train=pairs(n)), batch_size=6)
    def validate(model):
        images,texts = (f(next(data.__class__(dict(train=pairs(20, 2)), batch_size=20).train_loader(0).__iter__())) for f in (model.encode_image, model.encode_text))
        sims = model.score(images, texts)
        return dict(rsum=100*(sims.argmax(1)==torch.arange(20)).double().mean()+torch.rand(()))
    cbs = [ScheduleCB('cosine', warmup=.2), HingeWarmupCB(1), TrackerCB(folder), BestSnapshotCB(folder/'best.safetensors'), EarlyStopCB(3),
        CheckpointCB(folder/'state', every=2), *extra]
    return Learner(TwoBranches(dim), data, .1*TripletLoss()+InfoNCE(.1), lr=2e-2, weight_decay=.1, clip=2., accumulate=2, callbacks=cbs, validate=validate, **kw)

if __name__=='__main__':
    p = argparse.ArgumentParser()
    p.add_argument('folder', type=Path)
    p.add_argument('--resume', action='store_true')
    p.add_argument('--kill', default='')
    p.add_argument('--disk', type=int, help='no file may grow beyond so many bytes after the first checkpoint')
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
                if learner.step==3: resource.setrlimit(resource.RLIMIT_FSIZE, (a.disk, a.disk))
        extra = [Full()]
    l = learner(a.folder, extra)
    l.fit(3, resume=a.folder/'state' if a.resume else None)
    l.save(a.folder/'final.safetensors')
    del l
    end_processes()
