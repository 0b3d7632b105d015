"""Retrieve, then re-rank: pooled vectors shortlist a hundred of a thousand images, SGR scores those; against SGR on all of them

Both give what they know of the shortlist, and must agree there. `--run FOLDER` adds what a trained run loses: R@1 of its test captions
over all images, and with shortlists of a tenth and of half of them."""
import torch

from benchmarks._harness import Case,bench
from benchmarks._sgraf import build,sizes,some_states
from itr_nb.judge.report import encode_split
from itr_nb.run import Run
from itr_nb.score.search import Index

def first_right(found, image_of_caption): return 100*(found.rows[:,0]==image_of_caption).double().mean().item()

@torch.no_grad()
def lost(folder):
    "R@1 of captions, in percent: all images, shortlists of a tenth and of half"
    run = Run.load(folder)
    images,texts = encode_split(run.model, run.data)
    n,own = len(images),torch.as_tensor(run.data.splits['test'].image_of)
    return {f'r1_of_{k}':first_right(Index(images, run.model.score, k).search(texts, 1), own) for k in (n, n//10, n//2)}

def cases(args):
    n,k,queries = (60,6,3) if args.small else (1000,100,10)
    size = sizes(args)
    with torch.no_grad():
        score = build('SGR', size, args.device).eval().scorer.fast()
        images,texts = some_states(n, queries, size, args.device)
        whole,few = Index(images, score),Index(images, score, k)
        rows = few.search(texts, k).rows
        def scan():
            found = whole.search(texts, n)
            return found.scores.gather(1, found.rows.argsort(1)).gather(1, rows)
        more = {'scan, then look':lost(args.run)} if args.run else {}
        yield Case('re-rank', {'scan, then look':scan, 'shortlist':lambda: few.search(texts, k).scores}, dict(images=n, shortlist=k, captions=queries, **size), more=more)

def options(p):
    p.add_argument('--run', help='a folder that `itr train` wrote, for the R@1 that a shortlist costs')
    p.set_defaults(repeats=3)

if __name__=='__main__': bench('rerank', cases, options)
