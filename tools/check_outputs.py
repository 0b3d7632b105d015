"""Run notebooks and compare what their cells give with the outputs that are committed

Another processor may differ in the last digit, so text must be equal but for spaces and its numbers, which may differ by 0.1 %, by 0.0015 or
by one in the last digit shown (whole numbers not at all), and pictures may differ by a small pixel distance. A cell whose numbers
come from training says how far they may move: `#| spread: 2`. Cells that a flag skips keep the outputs they have. The exercises'
solutions are run as well."""
import argparse,ast,base64,io,re,sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

root = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(root))

import numpy as np
from fastcore.nbio import read_nb
from PIL import Image

from tools.warm import Warm,serve

number = re.compile(r'(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?')
embedded = re.compile(r'data:image/(?:png|jpeg);base64,([A-Za-z0-9+/=\s]+)')

def text_of(x): return ''.join(x) if isinstance(x, list) else x

def last_digit(shown):
    "What one in the last digit of a printed number is worth"
    mantissa,_,power = shown.lower().partition('e')
    return 10.**(int(power or 0)-len(mantissa.partition('.')[2]))

def numbers_differ(old, new, spread):
    "Whether two printed numbers differ by more than they may"
    if old==new: return False
    a,b = float(old),float(new)
    whole = not set('.eE')&set(old+new)
    allowed = spread if spread or whole else max(1e-3*max(abs(a), abs(b)), 1.5e-3, 1.01*min(last_digit(old), last_digit(new)))
    return abs(a-b)>allowed

def compare_text(old, new, spread=0):
    "What differs between two texts, or None"
    shape = lambda t: ''.join(number.sub('#', t).split())
    if shape(old)!=shape(new): return f'text was {" ".join(old.split())[:300]!r}, is {" ".join(new.split())[:300]!r}'
    moved = [(a,b) for a,b in zip(number.findall(old), number.findall(new)) if numbers_differ(a, b, spread)]
    if moved: return 'numbers moved: '+', '.join(f'{a} → {b}' for a,b in moved[:5])

def pixels(b64):
    "A picture on white as floats, by blocks of 8 pixels: enough to see a line move, too coarse for the smoothing of its edges"
    im = Image.open(io.BytesIO(base64.b64decode(b64))).convert('RGBA')
    size = im.size
    im = Image.alpha_composite(Image.new('RGBA', size, 'white'), im).convert('RGB')
    return size,np.asarray(im.resize([max(1, s//8) for s in size], Image.Resampling.BOX), dtype=float)

def compare_pictures(old, new, spread=0):
    "What differs between two base64 pictures, or None"
    (size0,a),(size1,b) = pixels(old),pixels(new)
    if max(abs(p-q) for p,q in zip(size0, size1))>4: return f'picture was {size0}, is {size1}'
    if spread or a.shape!=b.shape: return
    d = np.abs(a-b)
    if d.mean()>1 or d.max()>40: return f'picture moved: mean {d.mean():.2f}, largest block {d.max():.0f} of 255'

def compare_mime(mime, old, new, spread):
    "What differs between two forms of one output, or None"
    old,new = text_of(old),text_of(new)
    if old==new: return
    if mime in ('image/png', 'image/jpeg'): return compare_pictures(old, new, spread)
    a,b = embedded.findall(old),embedded.findall(new)
    if len(a)!=len(b): return f'{len(a)} pictures were inside, {len(b)} are'
    inside = [d for p,q in zip(a, b) if p!=q and (d:=compare_pictures(p, q, spread))]
    return inside[0] if inside else compare_text(embedded.sub('', old), embedded.sub('', new), spread)

def forms(outputs):
    "Outputs as (kind, {mime: content}), neighbouring pieces of one stream joined"
    res = []
    for o in outputs:
        kind = o['output_type']
        if kind=='stream':
            kind,data = o['name'],{'text/plain':text_of(o['text'])}
            if res and res[-1][0]==kind:
                res[-1][1]['text/plain'] += data['text/plain']
                continue
        elif kind=='error': data = {'text/plain':f"{o['ename']}: {o['evalue']}"}
        else: kind,data = 'display',dict(o['data'])
        res.append((kind, data))
    return res

def compare_cells(old, new, spread=0):
    "What differs between the outputs of two cells, or None"
    a,b = forms(old),forms(new)
    kinds = lambda f: [(k, sorted(d)) for k,d in f]
    if kinds(a)!=kinds(b): return f'outputs were {kinds(a)}, are {kinds(b)}'
    for (_,d0),(_,d1) in zip(a, b):
        for mime in d0:
            if what:=compare_mime(mime, d0[mime], d1[mime], spread): return what

def compare(old, new):
    "Lines about every code cell whose outputs differ between two notebooks"
    fresh = {c.id:c for c in new.cells}
    for cell in old.cells:
        if cell.cell_type!='code' or cell.id not in fresh: continue
        spread = float(cell.directives.get('spread') or 0)
        if what:=compare_cells(cell.outputs, fresh[cell.id].outputs, spread):
            first = next((l for l in cell.source.splitlines() if l.strip() and not l.startswith('#|')), '')
            yield f'cell {cell.id} ({first.strip()[:60]}): {what}'

def without_calls(source):
    "Code without the calls on lines of their own, such as `test_edges()`, and what else gives no name"
    lines,body = source.splitlines(),ast.parse(source).body
    for node in (n for n in body if isinstance(n, (ast.Expr, ast.Assert))):
        lines[node.lineno-1:node.end_lineno] = ['']*(node.end_lineno-node.lineno+1)
    return '\n'.join(lines)

def to_run(path):
    """A notebook with the code of its folded solutions behind its cells, and without its proof, whose tests the suite runs

    Of a proof that shows something only definitions and what is shown are run."""
    from fastcore.nbio import mk_cell
    from tools.course import solutions
    from tools.pages import Page
    nb = read_nb(path)
    proof = [c for c in nb.cells if c.cell_type=='code' and 'proof' in c.directives]
    if not any(c.outputs for c in proof): nb.cells = [c for c in nb.cells if c not in proof]
    for c in proof:
        if not c.outputs: c.source = without_calls(c.source)
    nb.cells += [mk_cell(code, 'code') for code in solutions(Page(Path(path)))]
    return nb

def execute(path):
    "Run a notebook as `nbdev-test --save` would, and return it instead of saving it; None if a cell fails"
    import nbdev.process,nbdev.test
    from nbdev.clean import clean_nb
    from nbdev.config import get_config
    got = []
    nbdev.process.read_nb = to_run
    nbdev.test.write_nb = lambda nb, fn: got.append(nb)
    flags = get_config(path.parent).tst_flags.split()
    nbdev.test.test_nb(path, skip_flags=flags, basepath=str(root), save=True)
    if not got: return
    clean_nb(got[0])
    return got[0]

def check(path):
    "Lines about one notebook, empty when what is committed is what its code gives"
    name = path.relative_to(root).as_posix()
    new = execute(path)
    if new is None: return [f'{name}: a cell fails (see above)']
    return [f'{name}, {line}' for line in compare(read_nb(path), new)]

def check_all(paths):
    "What is said of each of several notebooks by one warm process"
    checker = Warm(__file__)
    try: return [(path, checker(path)) for path in paths]
    finally: checker.close()

if __name__=='__main__':
    args = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    args.add_argument('notebooks', nargs='*', type=Path, help='notebooks, all of them if none is named')
    args.add_argument('--workers', type=int, default=2, help='notebooks that run at the same time')
    args.add_argument('--serve', action='store_true', help=argparse.SUPPRESS)
    args = args.parse_args()
    if args.serve: sys.exit(serve(lambda path: check(Path(path))))
    from tools.pages import pages
    paths = [p.resolve() for p in args.notebooks] or [p.path for p in pages()]
    with ThreadPoolExecutor(args.workers) as pool: results = [r for part in pool.map(check_all, [paths[i::args.workers] for i in range(args.workers)]) for r in part]
    for path,said in results: print(f'{"differs" if said else "same   "} {path.name}'+(f'\n{said}' if said else ''))
    sys.exit(any(said for _,said in results))
