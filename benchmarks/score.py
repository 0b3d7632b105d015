"""Scores of all pairs without a gradient: caption by caption, by the equations, and the fast form in blocks

`--images 1000` is the test split of Flickr30K, with five captions an image. On a processor where oneDNN multiplies faster than
MKL, `--onednn` adds the same with oneDNN's kernels for float32, after it has looked whether they are float32."""
import torch

from benchmarks._harness import Case,bench,difference
from benchmarks._sgraf import build,plain_scores,sizes,some_states
from itr_nb.reason.fast import FastSGRAF
from itr_nb.similarity import all_pairs

def onednn(f):
    "`f` with oneDNN's kernels in place of MKL's"
    settings = torch.backends.mkldnn.matmul
    def run():
        before,settings.fp32_precision = settings.fp32_precision,'bf16'
        try: return f()
        finally: settings.fp32_precision = before
    return run

def onednn_is_single():
    "On a processor with products of bf16 the setting above may use them"
    x = torch.randn(256, 256, generator=torch.Generator().manual_seed(0))
    return difference(onednn(lambda: x @ x)(), x.double() @ x.double())<1e-5

def cases(args):
    n = args.images or (6 if args.small else 40)
    size = sizes(args)
    for kind in ('SGR','SAF'):
        scorer = build(kind, size, args.device).eval().scorer
        states,fast = some_states(n, 5*n, size, args.device),FastSGRAF(scorer)
        def of(f):
            def run():
                with torch.no_grad(): return f()
            return run
        forms = {'by caption':of(lambda scorer=scorer, states=states: plain_scores(scorer, *states)),
            'equations':of(lambda scorer=scorer, states=states: all_pairs(scorer, *states)),
            'fast':of(lambda fast=fast, states=states: all_pairs(fast, *states))}
        if args.onednn and args.device=='cpu' and onednn_is_single(): forms['fast, oneDNN'] = onednn(forms['fast'])
        yield Case(f'scores {kind}', forms, dict(images=n, captions=5*n, **size))

def options(p):
    p.add_argument('--images', type=int, help='images, each with five captions (default 40)')
    p.add_argument('--onednn', action='store_true', help="also with oneDNN's float32 products, where they are float32")
    p.set_defaults(repeats=3)

if __name__=='__main__': bench('score', cases, options)
