"The notebooks, in reading order, and what can be said of one without running it"
import ast,re,symtable,tomllib
from dataclasses import dataclass
from functools import cache,cached_property
from pathlib import Path

from fastcore.nbio import read_nb

root = Path(__file__).resolve().parents[1]
nbs = root/'nbs'

@cache
def course():
    "Chapters in reading order, each with its folder, title, lessons and reference pages; a chapter may have those in groups"
    found = tomllib.loads((nbs/'course.toml').read_text(encoding='utf-8'))['chapter']
    return [{'reference':[name for g in c.get('group', []) for name in g['pages']], **c} for c in found]

chapters = {c['folder']:c['title'] for c in course()} # Folder -> what the site calls it

@dataclass
class Page:
    path:Path # The notebook

    @cached_property
    def nb(self): return read_nb(self.path)

    @property
    def name(self): # 'road/04_triplet.ipynb'
        return self.path.relative_to(nbs).as_posix()

    @property
    def chapter(self): # 'road', None for the index
        folder = self.path.parent.name
        return folder if folder in chapters else None

    @property
    def is_lesson(self): return self.name in listed('lessons')

    @property
    def number(self): # 4 for road/04_triplet.ipynb, None without one
        found = re.match(r'(\d+)_', self.path.name)
        return int(found[1]) if found else None

    @cached_property
    def code(self): return [c for c in self.nb.cells if c.cell_type=='code']

    @cached_property
    def module(self): # 'losses.triplet', None for a page that exports nothing
        return next((c.directives['default_exp'].strip() for c in self.code if 'default_exp' in c.directives), None)

    @cached_property
    def modules(self): # All that it exports to: its own, and those that an exported cell names
        named = {c.directives[d].strip() for c in self.code for d in ('export', 'exports', 'exporti') if d in c.directives}
        return {m for m in named|{self.module} if m}

    @property
    def source(self): # The generated module
        return root/'itr_nb'/(self.module.replace('.', '/')+'.py')

    @property
    def tests(self): # The generated test file, named after the module, else after the page
        stem = self.module or self.name.removesuffix('.ipynb')
        return root/'tests'/'pages'/f'test_{re.sub("[./]", "_", stem)}.py'

def reference_groups():
    "Titles of the groups of reference pages, each with its chapter and its pages: the reference's own, then one a chapter"
    last = next(c for c in course() if 'group' in c)
    groups = [(g['title'], last, g['pages']) for g in last['group']]
    return groups+[(f'Parts of {c["title"].replace("The ", "the ")}', c, c['reference']) for c in course() if c is not last and c['reference']]

def listed(kind):
    "Names of the lessons, or of the reference pages, in reading order"
    if kind=='reference': return [f'{c["folder"]}/{name}.ipynb' for _,c,names in reference_groups() for name in names]
    return [f'{c["folder"]}/{name}.ipynb' for c in course() for name in c.get(kind, [])]

def pages():
    "Every page in reading order: lessons, reference pages, the index; ValueError where nbs/course.toml and the folders disagree"
    found = {p.name:p for p in map(Page, nbs.rglob('*.ipynb')) if not any(part[0] in '._' for part in p.path.relative_to(nbs).parts)}
    order = [*listed('lessons'), *listed('reference'), 'index.ipynb']
    if wrong := (set(order)^set(found))-{'index.ipynb'}: raise ValueError(f'nbs/course.toml and the folders of nbs disagree: {sorted(wrong)}')
    sites = [re.sub(r'/\d+_', '/', name) for name in order]
    if twice := sorted({s for s in sites if sites.count(s)>1}): raise ValueError(f'nbs/course.toml: two pages of the site would be {twice}')
    return [found[name] for name in order if name in found]

def is_exported(cell): return any(d in cell.directives for d in ('export', 'exports', 'exporti'))

def code_of(cell):
    "The cell's Python without its directives, magics and shell lines (blanked, so that line numbers stay)"
    lines = [('' if re.match(r'\s*(#\||%|!)', l) else l) for l in cell.source.splitlines()]
    return '' if cell.source.lstrip().startswith('%%') else '\n'.join(lines)

def tree_of(cell):
    "The cell's syntax tree"
    return ast.parse(code_of(cell))

def _names_of(table):
    here = table.get_type()=='module'
    read = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (here or s.is_global())}
    own = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()} if here else set()
    return read.union(*(_names_of(t)[0] for t in table.get_children())),own

def names_in(code):
    "What code reads that it does not bind itself, and what it binds"
    read,own = _names_of(symtable.symtable(code, 'code', 'exec'))
    return read-own,own

def only_imports(tree):
    "Does code do nothing but import, and say how torch prints its numbers?"
    def is_import(n): return isinstance(n, (ast.Import, ast.ImportFrom)) or ast.unparse(n).startswith('torch.set_printoptions(')
    return bool(tree.body) and all(map(is_import, tree.body))

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
