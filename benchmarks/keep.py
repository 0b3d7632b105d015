"""Scores for training: the whole graph kept, pairs computed again, and what `Score` decides

From states to the gradients of states and weights, for the hardest-negative loss (MH), which asks about a handful of pairs, and for the sum
of hinges (SH), which asks about all. A cosine keeps next to nothing; a score that attends and takes no lists keeps a graph that fits into
memory; SGR, which takes lists, computes again what was asked about. `Score` must never be much slower than the better of the two forms
for MH."""
import torch

from benchmarks._harness import Case,bench
from itr_nb.ckstn.matching import MatchingScorer
from itr_nb.core import ImageStates,l2norm,lengths_to_mask,TextStates
from itr_nb.losses.triplet import triplet_loss
from itr_nb.score.cosine import cosine
from itr_nb.score.recompute import as_scorer,recompute,Score
from itr_nb.sgraf.scorer import SGRAFScorer

def some_states(b, regions, dim, device):
    "States of b images and b captions of 6 to 14 words"
    g = torch.Generator().manual_seed(0)
    n = torch.randint(6, 15, (b,), generator=g)
    draw = lambda *shape: l2norm(torch.randn(*shape, generator=g)).to(device)
    real = torch.ones(b, regions, dtype=torch.bool, device=device)
    images = ImageStates(draw(b, dim), draw(b, regions, dim), real)
    return images,TextStates(draw(b, dim), draw(b, int(n.max()), dim), lengths_to_mask(n).to(device))

def step(score, scorer, images, texts, hardest):
    "Loss and gradients; the key bias, whose gradient is zero, is left out"
    params = [p for k,p in scorer.named_parameters() if 'fc_key.bias' not in k]
    leaves = [x.clone().requires_grad_() for x in (images.glob, images.local, texts.glob, texts.local)]
    def run():
        sims = score(ImageStates(*leaves[:2], images.mask), TextStates(*leaves[2:], texts.mask))
        loss = triplet_loss(sims, hardest=hardest)
        grads = torch.autograd.grad(loss, [*leaves, *params], allow_unused=True)
        return [loss.detach(), *(torch.zeros(1) if g is None or not g.any() else g for g in grads)]
    return run

def cases(args):
    torch.manual_seed(0)
    sgr = lambda dim: SGRAFScorer('SGR', dim, max(8, dim//4))
    sizes = [(8,5,16)]*3 if args.small else [(128,1,256), (128,36,256), (64,5,64)]
    makes = [('cosine', lambda dim: as_scorer(cosine)), ('matching', lambda dim: MatchingScorer()), ('SGR', sgr)]
    for (name,make),(b,regions,dim) in zip(makes, sizes):
        scorer,states = as_scorer(make(dim)).to(args.device),some_states(b, regions, dim, args.device)
        fast = scorer.fast()
        forms = {'graph kept':fast, 'again':lambda i,t,f=fast: recompute(f, i, t), 'Score':Score(scorer)}
        for hardest in (True,False):
            made = {k:step(f, scorer, *states, hardest) for k,f in forms.items()}
            yield Case(f'{name} {"MH" if hardest else "SH"}', made, dict(b=b, regions=regions, dim=dim), tolerance=1e-4 if hardest else 1e-3)

def options(p): p.set_defaults(repeats=3)

if __name__=='__main__': bench('keep', cases, options)
