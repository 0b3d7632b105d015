"""Scores and gradients of all forms in float64, where equal forms differ by rounding alone

No speed is meant here; the sizes are small, the figure is the difference."""
import torch

from benchmarks._harness import Case,bench
from benchmarks._sgraf import a_batch,build,plain_step_scores
from benchmarks.train import step
from itr_nb.score.recompute import GRAPH,recompute
from itr_nb.sgraf.fast import FastSGRAF

def cases(args):
    size,b = dict(dim=32, sim_dim=16, regions=6, image_dim=24),8 if args.small else 24
    for kind in ('SGR','SAF'):
        model,batch = build(kind, size, args.device, torch.float64),a_batch(b, size, args.device, torch.float64)
        few = b*GRAPH*model.scorer.pair_bytes(size['regions'], batch.tokens.shape[1], size['dim'], 8) # a column
        def encoded(score): return lambda: score(model.encode_image(batch), model.encode_text(batch))
        forms = {'by caption':lambda: plain_step_scores(model, batch), 'equations':encoded(model.scorer), 'fast':encoded(FastSGRAF(model.scorer)),
            'recompute':encoded(lambda i,t: recompute(model.scorer, i, t, budget=few)), 'both':encoded(lambda i,t: recompute(FastSGRAF(model.scorer), i, t, budget=few))}
        for hardest in (True,False):
            yield Case(f'{kind} {"MH" if hardest else "SH"}', {k:step(model, batch, f, hardest) for k,f in forms.items()}, dict(b=b, **size), tolerance=1e-10)

def options(p): p.set_defaults(repeats=2)

if __name__=='__main__': bench('parity', cases, options)
