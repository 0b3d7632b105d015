"The notebooks, in reading order, and what can be said of one without running it"
import ast,re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastcore.nbio import read_nb

root = Path(__file__).resolve().parents[1]
nbs = root/'nbs'

# The layers of the house: first digit of a page's number, and the chapter it opens on the site
chapters = {'0':'What the data are', '1':'From pixels and words to vectors', '2':'From vectors to scores',
    '3':'What to ask of the scores', '4':'Training', '5':'Judging', '6':'Whole models', '7':'The door from a shell',
    'papers':'Papers', 'tutorials':'Tutorials'}

@dataclass
class Page:
    path:Path # The notebook

    @cached_property
    def nb(self): return read_nb(self.path)
    @property
    def name(self): return self.path.relative_to(nbs).as_posix()
    @property
    def number(self): # 30 for 30_losses.triplet.ipynb, None for a page without a number
        found = re.match(r'(\d+)_', self.path.name)
        return int(found[1]) if found else None
    @property
    def chapter(self): # Key in `chapters`, None for the index
        folder = self.path.parent.name
        if folder in chapters: return folder
        return None if self.number is None else str(self.number)[0] if self.number>9 else '0'
    @cached_property
    def code(self): return [c for c in self.nb.cells if c.cell_type=='code']
    @cached_property
    def module(self): # 'losses.triplet', None for a page that exports nothing
        return next((c.directives['default_exp'].strip() for c in self.code if 'default_exp' in c.directives), None)
    @property
    def source(self): # The generated module
        return root/'itr_nb'/(self.module.replace('.', '/')+'.py')
    @property
    def tests(self): # The generated test file
        stem = self.module or self.name.removesuffix('.ipynb')
        return root/'tests'/'pages'/f'test_{re.sub(r"[^a-zA-Z0-9]+", "_", stem)}.py'

def pages():
    "Every page, the numbered ones first, then papers, tutorials and the index"
    found = [Page(p) for p in nbs.rglob('*.ipynb') if not any(o[0] in '._' for o in p.relative_to(nbs).parts)]
    order = list(chapters)
    return sorted(found, key=lambda p: (order.index(p.chapter) if p.chapter else len(order), p.number is None, p.name))

def is_exported(cell): return any(d in cell.directives for d in ('export', 'exports', 'exporti'))

def code_of(cell):
    "The cell's Python without its directives, magics and shell lines (blanked, so that line numbers stay)"
    lines = [('' if re.match(r'\s*(#\||%|!)', l) else l) for l in cell.source.splitlines()]
    return '' if cell.source.lstrip().startswith('%%') else '\n'.join(lines)

def tree_of(cell):
    "The cell's syntax tree"
    return ast.parse(code_of(cell))

def sync(files, check=False, stale=()):
    "Write `files` (path → text) and remove the `stale` ones; with `check`, only return the paths that differ"
    files = {Path(p):t for p,t in files.items()}
    differ = [p for p,t in files.items() if not p.exists() or p.read_text(encoding='utf-8')!=t] + [p for p in stale if p.exists()]
    if not check:
        for p in differ:
            if p in files:
                p.parent.mkdir(parents=True, exist_ok=True)
                p.write_text(files[p], encoding='utf-8')
            else: p.unlink()
    return differ

def report(differ, check, what):
    "Say which files differ and return the exit code"
    for p in differ: print(f'{"out of step" if check else "written"}: {p.relative_to(root)}')
    if check and differ: print(f'{what}: run `make export` and commit what it writes')
    return int(bool(check and differ))
