"""Trains a little in each of several ways and writes losses, gradients and weights of each; started once alone and once as two processes

`python two_process_toy.py OUT.safetensors`"""
import json,sys

import torch
from safetensors.torch import save_file
from train_toy import TwoBranches,pairs

from itr_nb.core import Loss
from itr_nb.data import RetrievalData
from itr_nb.learner import Callback,Learner,end_processes
from itr_nb.losses.infonce import InfoNCE
from itr_nb.losses.triplet import TripletLoss

class Local(Loss):
    "Uses regions, words, masks and ids of the whole batch"
    def forward(self, sims, images, texts, batch):
        grain = torch.einsum('ird,twd->itrw', images.local, texts.local)
        real = images.mask[:,None,:,None] & texts.mask[None,:,None]
        return {'local': (grain.masked_fill(~real, -1e3).amax(2).clamp(min=-10).sum(-1)*(batch.image_id[:,None]!=batch.image_id)).pow(2).mean()}

class Scored(TwoBranches):
    "A scorer with a weight of its own, and one that no batch uses"
    def __init__(self):
        super().__init__(noise=0., norm=False)
        self.weigh,self.idle = torch.nn.Linear(8, 1, bias=False),torch.nn.Linear(2, 2)
    def score(self, images, texts): return self.weigh(images.glob[:,None]*texts.glob).squeeze(-1)

class Gradients(Callback):
    "Keeps every step's gradient and its norm"
    def __init__(self): self.kept,self.pairs = {},[]
    def after_backward(self, learner):
        named = [*learner.model.named_parameters(), *((f'loss.{k}', p) for k,p in learner.loss.named_parameters())]
        self.kept |= {f'gradient.{learner.step}.{k}':p.grad.clone() for k,p in named if p.grad is not None}
        self.pairs.append(learner.pairs)

ways = dict(
    hinge=dict(loss=lambda: TripletLoss(.2)),
    dense=dict(loss=lambda: InfoNCE(.1)),
    sum=dict(loss=lambda: .3*TripletLoss(.2, hardest=False)+Local()+InfoNCE(.2), clip=.5),
    accumulated=dict(loss=lambda: InfoNCE(.1), accumulate=3),
    alone=dict(loss=lambda: InfoNCE(.1), gather_negatives=False),
)

def both(out):
    "Trains in every way and writes what it was"
    kept,terms = {},{}
    for name,way in ways.items():
        torch.manual_seed(0)
        model,grads = Scored().double(),Gradients()
        seen = []
        class Seen(Callback):
            def after_step(self, learner): seen.append(dict(learner.terms, norm=learner.grad_norm))
        data = RetrievalData(dict(train=pairs(19)), batch_size=5)
        l = Learner(model, data, way['loss']().double(), lr=1e-2, callbacks=[grads, Seen()], **{k:v for k,v in way.items() if k!='loss'})
        l.fit(2)
        kept |= {f'{name}.{k}':x for k,x in {**grads.kept, **{f'weight.{k}':x.clone() for k,x in model.state_dict().items()}}.items()}
        terms[name] = dict(terms=seen, pairs=grads.pairs, world=l.world)
        here = torch.cat([x.flatten() for x in model.state_dict().values()])
        assert torch.equal(l.accelerator.gather(here[None]), here.expand(l.world, -1)), 'the processes have drifted apart'
    if l.is_main: save_file(kept, out, metadata=dict(terms=json.dumps(terms)))

if __name__=='__main__':
    both(sys.argv[1])
    end_processes()
