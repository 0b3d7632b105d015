"""Scores of all pairs without a gradient: caption by caption, by the equations, and the fast form in blocks

A hundred images meet one caption at a time, as in the authors' evaluation, which cuts the matrix into shards of a hundred; once as the
paper's columns have it, and once words first, so that one can tell what the order of a product is worth.
`--images 1000` is the test split of Flickr30K, with five captions an image. The forms marked oneDNN use its kernels for float32 in
place of MKL's, where they keep float32; bf16 is the fast form under autocast. `share` is the part of the rate of a large product, in
the same precision with the same kernels and in the same run, that the operations which the scores need come to."""
import torch

from benchmarks._harness import Case,bench,rate
from benchmarks._sgraf import build,lengths,pair_work,plain_scores,sizes,some_states
from itr_nb.score.all_pairs import all_pairs
from itr_nb.score.kernels import onednn,onednn_is_exact
from itr_nb.sgraf.fast import FastSGRAF

def by_onednn(f):
    "`f` with oneDNN's kernels in place of MKL's"
    def run():
        with onednn(): return f()
    return run

def by_bf16(f, device):
    "`f` under autocast"
    def run():
        with torch.autocast(device, torch.bfloat16): return f()
    return run

def by_shards(scorer, images, texts, n=100, **kw): return torch.cat([plain_scores(scorer, images[i:i+n], texts, **kw) for i in range(0, len(images), n)])

def cases(args):
    n = args.images or (6 if args.small else 100)
    m,size,cpu = 5*n if args.images else n,sizes(args),args.device=='cpu'
    single,half = rate(args.device, n=128 if args.small else None),rate(args.device, torch.bfloat16, 128 if args.small else None)
    for kind in ('SGR','SAF'):
        scorer = build(kind, size, args.device).eval().scorer
        states,fast = some_states(n, m, size, args.device),FastSGRAF(scorer)
        def of(f):
            def run():
                with torch.no_grad(): return f()
            return run
        forms = {'by caption':of(lambda scorer=scorer, states=states: by_shards(scorer, *states)),
            'words first':of(lambda scorer=scorer, states=states: by_shards(scorer, *states, words_first=True)),
            'equations':of(lambda scorer=scorer, states=states: all_pairs(scorer, *states)),
            'fast':of(lambda fast=fast, states=states: all_pairs(fast, *states))}
        forms['fast, bf16'],peaks = by_bf16(forms['fast'], args.device),dict.fromkeys(forms, single)|{'fast, bf16':half}
        if cpu and onednn_is_exact():
            with onednn(): twice = rate('cpu', n=128 if args.small else None)
            for k in ('by caption','fast'): forms[f'{k}, oneDNN'],peaks[f'{k}, oneDNN'] = by_onednn(forms[k]),twice
        yield Case(f'scores {kind}', forms, dict(images=n, captions=m, **size), tolerances={'fast, bf16':.02}, work=n*pair_work(kind, lengths(m), size), peaks=peaks)

def options(p):
    p.add_argument('--images', type=int, help='images, each with five captions (default 100, with one)')
    p.set_defaults(repeats=5)

if __name__=='__main__': bench('score', cases, options)
