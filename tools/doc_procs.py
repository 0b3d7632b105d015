"""How nbdev turns a notebook into a page of the site: what a page exports is shown as code, under a heading with a link to its source

nbdev would hide a cell marked `export`, run parts of the notebook, and show signatures. A lesson needs the code, docments and
docstring included, and that needs nothing to run. pyproject.toml names these processors, and those of nbdev's own that they replace."""
import ast,re
from functools import cache
from pathlib import Path

from fastcore.basics import listify
from fastcore.nbio import mk_cell
from nbdev.config import get_config,nbpath2html
from nbdev.doclinks import NbdevLookup
from nbdev.process import Processor
from nbdev.showdoc import showdoc_nm

from tools.pages import pages

hidden = {'export', 'exports', 'exporti', 'hide', 'default_exp'}

def names_of(cell):
    "Public names of the functions and classes that a cell defines, a patched method with its class"
    nodes = [n for n in cell.parsed_() or [] if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith('_')]
    return [name for n in nodes for name in listify(showdoc_nm(n))]

def places_of(cell):
    "Names that nbdev may lead to and that have no heading: private ones, and the methods of classes"
    nodes = [n for n in cell.parsed_() or [] if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    methods = [f'{c.name}.{f.name}' for c in nodes if isinstance(c, ast.ClassDef) for f in c.body if isinstance(f, ast.FunctionDef)]
    return [n.lower() for n in [*(name for n in nodes for name in listify(showdoc_nm(n))), *methods]]

@cache
def lines_of(module):
    "Where in the generated module each definition starts"
    cfg = get_config()
    path = cfg.lib_path/(module.replace('.', '/')+'.py')
    return {n.name:n.lineno for n in ast.parse(path.read_text(encoding='utf-8')).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}

def anchors(names):
    "Places that links can lead to"
    return ''.join(f'<span id="{n}"></span>' for n in dict.fromkeys(names))

def heading(names, module, others=()):
    "Link to the source and a heading that nbdev's links to the first name lead to; the others get a place of their own"
    cfg = get_config()
    line = lines_of(module).get(names[0].rpartition('.')[2], 1)
    url = f'{cfg.git_url}/blob/{cfg.branch}/{cfg.lib_path.name}/{module.replace(".", "/")}.py#L{line}'
    places = anchors(n for n in [*map(str.lower, names), *others] if n!=names[0].lower())
    return mk_cell(f'[source]({url}){{style="float:right; font-size:smaller"}}{places}\n\n### {names[0]}', 'markdown')

def module_of(nb):
    "What a page exports, None for nothing"
    return next((c.directives_['default_exp'] for c in nb.cells if 'default_exp' in c.directives_), None)

def fold(cell, summary):
    "A cell whose code waits behind a line"
    source = re.sub(r'^#\| echo: false\n', '', cell.source, flags=re.M)
    cell.source = f'#| code-fold: true\n#| code-summary: "{summary}"\n{source}'
    return cell

def silent(cell):
    "A cell without what it printed"
    cell.outputs = []
    return cell

def only_imports(cell):
    "Does a cell do nothing but import?"
    return all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in cell.parsed_() or [])

def shown(cell, module):
    "What stands on the site for a cell: definitions under a heading, imports and hidden code folded, so that who copies has all"
    if cell.cell_type!='code': return [cell]
    if cell.directives_.get('echo')=='false': return [fold(cell, 'Code of the figure')]
    if not cell.directives_.keys()&hidden: return [cell]
    if not cell.source.strip() or cell.directives_.get('eval')=='false' and 'hide' in cell.directives_: return []
    if only_imports(cell): return [silent(fold(cell, 'Imports: the code below needs them'))]
    if 'hide' in cell.directives_: return [mk_cell(anchors(places_of(cell)), 'markdown'), silent(fold(cell, 'More code'))]
    exported = {'export', 'exports'}&cell.directives_.keys()
    home = ''.join(''.join(cell.directives_[d]) for d in exported).strip()
    names,places = names_of(cell),places_of(cell)
    if names: return [heading(names, home or module, places), cell]
    return [mk_cell(anchors(places), 'markdown'), cell] if places else [cell]

class show_source(Processor):
    "Put exported definitions under headings, and fold what is hidden; the home page is no lesson and shows no code"
    def begin(self):
        if Path(self.nb.path_).stem=='index': return
        module = module_of(self.nb)
        self.nb.cells = [c for cell in self.nb.cells for c in shown(cell, module)]

@cache
def addresses():
    "Where the page of each module stands, in reading order"
    home = get_config().doc_url.rstrip('/')
    return {p.module:f'{home}/{nbpath2html(p.name)}' for p in pages() if p.module}

@cache
def notebooks():
    "Where each notebook is shown, by its name in the folder: 'road/04_triplet'"
    home = get_config().doc_url.rstrip('/')
    return {p.name.removesuffix('.ipynb'):f'{home}/{nbpath2html(p.name)}' for p in pages()}

@cache
def lookup(): return NbdevLookup()

def target(name, before, module):
    """Where a name in backticks leads, None for nowhere

    A notebook's name leads to its page, and a module's if it has a dot, or if the text before it says that it is one. A bare
    lower-case word is more often an argument than a function of a page that comes later, and leads to what this page or an
    earlier one defines, or nowhere."""
    homes,plain = addresses(),name.removesuffix('()')
    if '/' in name and name in notebooks(): return notebooks()[name]
    says_page = re.match(r'- (Before|Next|See)\b', before) or re.search(r'\bpages? ([^.;]* and )?$', before)
    if name in homes and ('.' in name or says_page): return homes[name]
    found = lookup().doc(plain)
    if found and module and re.fullmatch('[a-z]+', name):
        order = list(notebooks().values())
        if order.index(found.partition('#')[0])>order.index(homes[module]): return None
    return found

def link_names(text, module):
    "Text of a page in which names in backticks are links, but for those in code and in links"
    def link(m):
        to = target(m[1], m.string[:m.start()], module)
        return m[0] if to is None else f'[{m[0]}]({to})'
    parts = re.split(r'(^```.*?^```|^    [^\n]*$)', text, flags=re.M|re.S)
    parts[::2] = ['\n'.join(re.sub(r'(?<![\[`])`([^`\s]+)`(?!`)', link, l) for l in p.split('\n')) for p in parts[::2]]
    return ''.join(parts)

def without_marks(text):
    "Text of a page whose code blocks do not show what only the tools read, such as `#| slow`"
    return re.sub(r'(^```python\n)(?:#\|[^\n]*\n)+', r'\1', text, flags=re.M)

class add_links(Processor):
    "Names in prose, and calls in what cells print, lead to where they are explained"
    def begin(self): self.module = module_of(self.nb)

    def cell(self, cell):
        if cell.cell_type=='markdown': cell.source = without_marks(link_names(cell.source, self.module))
        for o in cell.get('outputs', []):
            if md:=o.get('data', {}).get('text/markdown'): o['data']['text/markdown'] = link_names(''.join(md), 'core')
