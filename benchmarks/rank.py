"""Ranks by counting larger scores, against loops that sort the whole list of every query

`--images 5000` is COCO's 5K protocol, with five captions an image."""
import numpy as np
import torch

from benchmarks._harness import Case,bench
from itr_nb.judge.ranks import ranks

def ranks_loop(sims, image_of_caption):
    "Sort the list of every query, then look for its own items in it"
    i2t,t2i = np.zeros(len(sims)),np.zeros(sims.shape[1])
    for n,row in enumerate(sims):
        order = np.argsort(row)[::-1]
        i2t[n] = min(np.where(order==c)[0][0] for c in np.where(image_of_caption==n)[0])
    for c,column in enumerate(sims.T): t2i[c] = np.where(np.argsort(column)[::-1]==image_of_caption[c])[0][0]
    return i2t,t2i

def cases(args):
    n = args.images or (40 if args.small else 1000)
    image_of_caption = torch.arange(n).repeat_interleave(5)
    sims = torch.randn(n, 5*n, generator=torch.Generator().manual_seed(n))
    sims[image_of_caption,torch.arange(5*n)] += 2
    x,rows,on = sims.numpy(),image_of_caption.numpy(),sims.to(args.device)
    yield Case('ranks', {'sorting loops':lambda: ranks_loop(x, rows), 'counting':lambda: ranks(on, image_of_caption)},
        dict(images=n, captions=5*n), tolerance=0.)

def options(p): p.add_argument('--images', type=int, help='images, each with five captions (default 1000)')

if __name__=='__main__': bench('rank', cases, options)
