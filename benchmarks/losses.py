"""The losses forward and backward, against the form that one writes first

For the ranking losses that is a Python loop over the queries of each direction, in torch; for the constraint within a modality it is
the difference of all pairs of rows at once, a tensor (b b d)."""
import torch
from torch.nn.functional import normalize

from benchmarks._harness import Case,bench
from itr_nb.imc.constraint import intra_modal,pair_costs
from itr_nb.losses.infonce import info_nce
from itr_nb.losses.triplet import triplet_loss

def triplet_loop(sims, hardest, margin=.2):
    b,total = len(sims),0.
    for n in range(b):
        others = torch.arange(b, device=sims.device)!=n
        for query in (sims[n],sims[:,n]):
            cost = (margin-query[n]+query[others]).clamp(min=0)
            total = total+(cost.max() if hardest else cost.sum())
    return total

def info_nce_loop(sims, tau, ids):
    total = 0.
    for n in range(len(sims)):
        mine = ids==ids[n]
        for query in (sims[n],sims[:,n]): total = total-((query/tau)-torch.logsumexp(query/tau, 0))[mine].mean()
    return total/2/len(sims)

def imc_broadcast(x, norm):
    delta = (x[:,None]-x[None]).abs().sum(-1) if norm==1 else (x[:,None]-x[None]).square().sum(-1).clamp(min=1e-30).sqrt()
    return pair_costs(delta, f'l{norm}').sum()

def step(loss, sims):
    "Value and gradient"
    def run():
        x = sims.clone().requires_grad_()
        y = loss(x)
        return y.detach(),torch.autograd.grad(y, x)[0]
    return run

def cases(args):
    for b in ((16,) if args.small else (128,512)):
        g = torch.Generator().manual_seed(b)
        sims = (torch.randn(b, b, generator=g)*.2+.3*torch.eye(b)).to(args.device)
        ids = torch.randint(b*4//5, (b,), generator=g).to(args.device)
        for name,hardest in (('triplet MH',True),('triplet SH',False)):
            yield Case(name, dict(loop=step(lambda x: triplet_loop(x, hardest), sims), itr_nb=step(lambda x: triplet_loss(x, hardest=hardest), sims)), dict(b=b))
        yield Case('infonce', dict(loop=step(lambda x: info_nce_loop(x, .07, ids), sims), itr_nb=step(lambda x: info_nce(x, .07, ids), sims)), dict(b=b))
        x = normalize(torch.randn(b, 32 if args.small else 1024 if b==128 else 256, generator=g), dim=1).to(args.device)
        for norm in (1,2):
            forms = dict(broadcast=step(lambda x: imc_broadcast(x, norm), x), cdist=step(lambda x: pair_costs(torch.cdist(x, x, norm), f'l{norm}').sum(), x),
                itr_nb=step(lambda x: intra_modal(x, f'l{norm}'), x))
            yield Case(f'imc L{norm}', forms, dict(b=b, d=x.shape[1]), tolerance=1e-4) # a pair within rounding of an edge may fall in or out of the band

if __name__=='__main__': bench('losses', cases)
