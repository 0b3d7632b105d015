"""An index of one's own pictures: what a pass costs beside the bare model, what growth costs, and what opening and searching a large one costs

`pass`: the image model on pixels that are ready, against a pass that reads, hashes, decodes, encodes and writes. `growth`: a new index of
a hundred pictures, against a hundred more in one of `--pictures`. `open` and `search`: `--rows` vectors of 256 numbers in parts on the
disk, against one array in memory; opening is timed against reading the rows."""
import shutil,tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

from benchmarks._harness import Case,bench
from itr_nb.build import model_for,prepare
from itr_nb.core import l2norm,TextStates
from itr_nb.data.doors import open_data
from itr_nb.data.pairs import open_image
from itr_nb.judge.report import judging
from itr_nb.model import save_model
from itr_nb.recipe import load_recipe
from itr_nb.run import Index,Run
from itr_nb.run.store import Store,_states_of
from itr_nb.score.search import nearest
from itr_nb.workshop.shapes import write_shapes

def a_run(home, size):
    "A run on drawn shapes that never trained; the image model is the packaged one at `size`"
    data = write_shapes(home/'data')
    splits,recipe = open_data(data),load_recipe('dual-photos', {'image.size':size, 'text.encoder':'gru', 'text.min_count':1})
    ready = prepare(recipe, splits, home/'cache', False)
    run = Run(home/'run', recipe, str(data), None, model_for(recipe, ready).eval(), ready.inputs)
    run.pictures = splits
    run.describe()
    save_model(run.model, run.folder/'model')
    return run

def photographs(folder, n, first=0):
    "JPEGs of 640 × 480, smooth with some grain, as a camera's are"
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(first, first+n):
        lot = np.random.default_rng(k)
        small = Image.fromarray(lot.integers(0, 256, (12,16,3), dtype=np.uint8)).resize((640,480), Image.BICUBIC)
        x = np.asarray(small).astype(int)+lot.integers(-8, 9, (480,640,1))
        Image.fromarray(x.clip(0, 255).astype(np.uint8)).save(folder/f'{k:06}.jpg', quality=88)
    return sorted(folder.glob('*.jpg'))

def vectors(index, files):
    "Rows of an index in the order of files"
    found = {}
    with index.store.reading() as parts:
        for n,x in parts.items():
            for at,v in enumerate(x.glob):
                for _,name in index.store.names_at((n, at)): found[name] = v.clone()
    return torch.stack([found[f.name] for f in files])

def passes(args, home):
    n,size,more = (24,64,8) if args.small else (args.pictures,224,100)
    run,files = a_run(home, size),photographs(home/'photos', n)
    images,fresh = run.inputs.images,iter(range(10**6))
    pixels = [images.pixels([open_image(f, images.least) for f in files[k:k+32]]) for k in range(0, n, 32)]
    def bare():
        with judging(run.model): return l2norm(torch.cat([run.model.encode_image(images.read(x)).glob for x in pixels]))
    def index(): return Index.build(run, home/'photos', home/f'pass{next(fresh)}', progress=False)
    yield Case('pass', {'bare model':bare, 'itr index':lambda: vectors(index(), files)}, dict(pictures=n, side=size))
    whole,added = index(),photographs(home/'more', more, n)
    def alone(): return vectors(Index.build(run, home/'more', home/f'alone{next(fresh)}', progress=False), added)
    def grown():
        out = home/f'grown{next(fresh)}'
        shutil.copytree(whole.folder, out)
        return vectors(Index.build(run, [home/'photos', home/'more'], out, progress=False), added)
    yield Case('growth', {'an index of them':alone, 'added to a large one':grown}, dict(pictures=n, added=more))

def large(home, rows, dim):
    "A store of unit vectors without pictures"
    store,lot = Store.create(home/'large'),torch.Generator().manual_seed(0)
    one,step = store.folder_id('/photos'),2**25//(4*dim)
    for k in range(0, rows, step):
        m = min(step, rows-k)
        keys = [j.to_bytes(8, 'big') for j in range(k, k+m)]
        x = _states_of(dict(glob=l2norm(torch.randn(m, dim, generator=lot))))
        store.put(keys, x, [(one, (b'%d.jpg' % j, 1, 1), key) for j,key in zip(range(k, k+m), keys)])
    store.close()
    return home/'large'

def opening(args, home):
    rows,dim = (2000,16) if args.small else (args.rows,256)
    folder,k = large(home, rows, dim),20
    query = TextStates(torch.randn(1, dim, generator=torch.Generator().manual_seed(1)), torch.zeros(1, 1, dim), torch.ones(1, 1, dtype=torch.bool))
    run = SimpleNamespace(states_of=lambda words: query, model=SimpleNamespace(reranks=False))
    about = dict(fields=['glob'], recipe='none')
    def read():
        with Store(folder).reading() as parts: return torch.cat([x.glob for x in parts.values()])
    def opened():
        index = Index(folder, run, about)
        with index.store.reading() as parts: return torch.tensor(sum(map(len, parts.values())))
    yield Case('open', {'read all rows':lambda: torch.tensor(len(read())), 'open the index':opened}, dict(rows=rows, dim=dim))
    array,index = read(),Index(folder, run, about)
    q = l2norm(query.glob)
    yield Case('search', {'one array':lambda: nearest(q, array, k)[0][0], 'the index':lambda: torch.tensor([h.score for h in index.search('a', k)])},
        dict(rows=rows, dim=dim, answers=k))

def cases(args):
    with tempfile.TemporaryDirectory() as d:
        yield from passes(args, Path(d))
        yield from opening(args, Path(d))

def options(p):
    p.add_argument('--pictures', type=int, default=1000, help='in the large index (default 1000)')
    p.add_argument('--rows', type=int, default=1_000_000, help='of 256 numbers, to be opened and searched (default 1,000,000)')
    p.set_defaults(repeats=3)

if __name__=='__main__': bench('index', cases, options)
