"""CKSTN's matching score: caption by caption, all cosines at once, and the form that keeps the best regions only

Scores of all pairs without a gradient, then scores with the gradient of a hardest-negative loss and of one that asks about every
pair (the sum of hinges). The slow form is what one writes first: a loop over captions, as the released codes of this family have."""
import torch

from benchmarks._harness import Case,bench
from itr_nb.core import ImageStates,l2norm,lengths_to_mask,TextStates
from itr_nb.ckstn.matching_loss import MatchingLoss
from itr_nb.ckstn.matching import MatchingScorer
from itr_nb.score.all_pairs import all_pairs

def by_caption(images, texts):
    "Eq. (9), one caption after another"
    v = l2norm(images.local)
    return torch.stack([(v @ l2norm(t[m]).T).amax(1).sum(1) for t,m in zip(texts.local, texts.mask)], 1)

def at_once(images, texts):
    "Eq. (9), all cosines of all pairs in memory"
    a = torch.einsum('ird,twd->irtw', l2norm(images.local), l2norm(texts.local))
    return a.amax(1).masked_fill(~texts.mask, 0).sum(-1)

def some_states(n, captions, size, device):
    "Random states; captions of 6 to 18 words"
    g = torch.Generator().manual_seed(n)
    mask = lengths_to_mask(torch.randint(size['words']//2, size['words']*3//2+1, (captions,), generator=g))
    of = lambda kind,m: kind(torch.zeros(len(m), size['dim']), torch.randn(*m.shape, size['dim'], generator=g), m).to(device)
    return of(ImageStates, torch.ones(n, size['regions'], dtype=torch.bool)),of(TextStates, mask)

def scored(score, images, texts):
    def run():
        with torch.no_grad(): return score(images, texts)
    return run

def trained(score, images, texts, loss):
    "Loss and gradients of both sides"
    def run():
        leaves = [s.local.detach().requires_grad_() for s in (images, texts)]
        sims = score(ImageStates(images.glob, leaves[0], images.mask), TextStates(texts.glob, leaves[1], texts.mask))
        out = loss(sims)['matching']
        return [sims.detach(), *torch.autograd.grad(out, leaves)]
    return run

def cases(args):
    size = dict(regions=5, words=4, dim=16) if args.small else dict(regions=36, words=12, dim=1024)
    n,b = (6,8) if args.small else (args.images or 100,128)
    forms = {'by caption':by_caption, 'all at once':at_once, 'best regions':MatchingScorer()}
    pair = some_states(n, 5*n, size, args.device)
    yield Case('scores', {k:scored(f if k!='best regions' else lambda i,t,f=f: all_pairs(f, i, t), *pair) for k,f in forms.items()}, dict(images=n, captions=5*n, **size))
    pair = some_states(b, b, size, args.device)
    for name,hardest in (('step, hardest negatives',True), ('step, all negatives',False)):
        yield Case(name, {k:trained(f, *pair, MatchingLoss(.2, hardest)) for k,f in forms.items()}, dict(b=b, **size))

def options(p):
    p.add_argument('--images', type=int, help='images to score, each with five captions (default 100)')
    p.set_defaults(repeats=3)

if __name__=='__main__': bench('matching', cases, options)
