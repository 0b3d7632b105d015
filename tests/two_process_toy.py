"""Trains a little in each of several ways and writes losses, gradients and weights of each

Started once alone and once as two processes.

`python two_process_toy.py OUT.safetensors`"""
import json,sys

import torch
from safetensors.torch import save_file
from train_toy import TwoBranches,pairs

from itr_nb.core import Loss
from itr_nb.data.batches import RetrievalData
from itr_nb.losses.infonce import InfoNCE
from itr_nb.losses.triplet import TripletLoss
from itr_nb.train.learner import Callback,Learner,TrainStep
from itr_nb.train.processes import end_processes

class Local(Loss):
    "Uses regions, words, masks and ids of the whole batch"
    def forward(self, sims, images, texts, batch):
        grain = torch.einsum('ird,twd->itrw', images.local, texts.local)
        real = images.mask[:,None,:,None] & texts.mask[None,:,None]
        best = grain.masked_fill(~real, -1e3).amax(2).clamp(min=-10).sum(-1)
        other = batch.image_id[:,None]!=batch.image_id
        return {'local': (best*other).pow(2).mean()}

class Rides(Loss):
    "Uses the vectors for one modality and two fields that the data gave names of their own"
    def forward(self, sims, images, texts, batch):
        alike = images.own@images.own.T-texts.own@texts.own.T
        return {'rides': (alike*batch.get('weight')*batch.get('easy')[:,None]).pow(2).mean()}

class WithFields(RetrievalData):
    "Batches whose pairs carry a weight, and whether they are easy"
    def train_loader(self, epoch):
        for b in super().train_loader(epoch):
            b.weight,b.easy = b.image_id.double().cos(),b.image_id%3>0
            yield b

class Scored(TwoBranches):
    "A scorer with a weight of its own, and one that no batch uses"
    def __init__(self):
        super().__init__(noise=0., norm=False)
        self.weigh,self.idle = torch.nn.Linear(8, 1, bias=False),torch.nn.Linear(2, 2)
        self.head = torch.nn.Linear(8, 3)
    def encode(self, x, mask, branch, cls):
        states = super().encode(x, mask, branch, cls)
        states.own = self.head(states.glob)
        return states
    def score(self, images, texts):
        return self.weigh(images.glob[:,None]*texts.glob).squeeze(-1)

def usual(model, loss, batch): return TrainStep(model, loss)(batch)

class Gradients(Callback):
    "Keeps every step's gradient and its norm"
    def __init__(self): self.kept,self.pairs = {},[]
    def after_backward(self, learner):
        named = dict(learner.model.named_parameters())
        named |= {f'loss.{k}':p for k,p in learner.loss.named_parameters()}
        self.kept |= {
            f'gradient.{learner.step}.{k}':p.grad.clone() for k,p in named.items()
            if p.grad is not None}
        self.pairs.append(learner.pairs)

ways = dict(
    hinge=dict(loss=lambda: TripletLoss(.2)),
    dense=dict(loss=lambda: InfoNCE(.1)),
    sum=dict(loss=lambda: .3*TripletLoss(.2, hardest=False)+Local()+InfoNCE(.2), clip=.5),
    accumulated=dict(loss=lambda: InfoNCE(.1), accumulate=3),
    fields=dict(loss=lambda: InfoNCE(.1)+Rides()),
    alone=dict(loss=lambda: InfoNCE(.1), gather_negatives=False),
    function=dict(loss=lambda: InfoNCE(.1), train_step=usual),
)

class Seen(Callback):
    "Keeps the terms and the gradient's norm of every step"
    def __init__(self): self.kept = []
    def after_step(self, learner): self.kept.append(dict(learner.terms, norm=learner.grad_norm))

def both(out):
    "Trains in every way and writes what it was"
    kept,terms = {},{}
    for name,way in ways.items():
        torch.manual_seed(0)
        model,grads,seen = Scored().double(),Gradients(),Seen()
        data = WithFields(dict(train=pairs(19)), batch_size=5)
        how = {k:v for k,v in way.items() if k!='loss'}
        l = Learner(
            model, data, way['loss']().double(), lr=1e-2, callbacks=[grads, seen], **how)
        l.fit(2)
        weights = {f'weight.{k}':x.clone() for k,x in model.state_dict().items()}
        kept |= {f'{name}.{k}':x for k,x in {**grads.kept, **weights}.items()}
        terms[name] = dict(terms=seen.kept, pairs=grads.pairs, world=l.world)
        here = torch.cat([x.flatten() for x in model.state_dict().values()])
        all_of_them = l.accelerator.gather(here[None])
        assert torch.equal(all_of_them, here.expand(l.world, -1)), 'the processes drifted apart'
    if l.is_main: save_file(kept, out, metadata=dict(terms=json.dumps(terms)))

if __name__=='__main__':
    both(sys.argv[1])
    end_processes()
