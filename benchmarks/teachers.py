"""The teachers' features of one training batch: run in the step, or read from the cache

What the step pays is that of every batch of every epoch; the cache is filled once, and its filling is not measured here."""
import tempfile

import numpy as np
import torch
from PIL import Image

from benchmarks._harness import Case,bench
from itr_nb.workshop.packaged import efficientnet_lite,minilm
from itr_nb.core import Batch
from itr_nb.data.pairs import CaptionPairs
from itr_nb.cusa.teachers import OnlineTeachersCB,with_teachers

words = 'a the two red small big dog cat car house left of above beside near tree bird on blue and'.split()

def noise(n):
    "Pictures and captions that nobody has seen"
    r = np.random.default_rng(0)
    images = [Image.fromarray(r.integers(0, 256, (256,256,3), dtype=np.uint8)) for _ in range(n)]
    return CaptionPairs(images, [f"{' '.join(r.choice(words, 11))} {i}" for i in range(n)], np.arange(n), np.arange(n), [f'{i}.png' for i in range(n)], 'noise', 'train')

class Step:
    "What the callback sees of a learner"
    def __init__(self, n, device): self.device,self.batch = device,Batch(image_id=torch.arange(n), caption_id=torch.arange(n))

def cases(args):
    n = 8 if args.small else 128
    pairs = noise(n)
    for side,model in (('text',minilm()), ('image',efficientnet_lite(2, size=64 if args.small else None))):
        home = tempfile.mkdtemp()
        taught = with_teachers(dict(train=pairs), **{side:model}, centre='none', home=home, progress=False)['train']
        rows = (taught.image_fields|taught.caption_fields)[f'teacher_{side}']
        def online():
            step = Step(n, args.device)
            cb = OnlineTeachersCB(pairs, **{side:model}, centre='none')
            cb.before_fit(step); cb.before_batch(step)
            return getattr(step.batch, f'teacher_{side}')
        def cached(): return torch.tensor(np.stack([rows[i] for i in range(n)])).to(args.device)
        yield Case(f'{side} teacher', dict(online=online, cached=cached), dict(b=n), tolerance=1e-3)

if __name__=='__main__': bench('teachers', cases)
