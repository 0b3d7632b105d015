"""How nbdev turns a notebook into a page of the site: what a page exports is shown as code, under a heading with a link to its source

nbdev would hide a cell marked `export`, run parts of the notebook, and show signatures. A lesson needs the code, docments and
docstring included, and that needs nothing to run. On a page of the reference each public name has a heading and what its user
has to know, and the code waits behind a line. pyproject.toml names these processors, and those of nbdev's own that they replace."""
import ast,re,textwrap
from functools import cache
from pathlib import Path

from fastcore.basics import listify
from fastcore.nbio import mk_cell
from nbdev.config import get_config,nbpath2html
from nbdev.doclinks import NbdevLookup
from nbdev.process import Processor
from nbdev.showdoc import showdoc_nm

from tools.pages import Page,code_of,names_in,only_imports,pages

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

def first_line(node): return min([node.lineno, *(d.lineno for d in getattr(node, 'decorator_list', []))])

def head_of(node, lines):
    "Lines of a definition up to its docstring, or up to its body where it has none"
    start,first = first_line(node)-1,node.body[0]
    if ast.get_docstring(node) is not None: return lines[start:first.end_lineno]
    before = lines[first.lineno-1].encode()[:first.col_offset].decode().rstrip()
    if first.lineno==node.lineno or not before: return lines[start:max(first.lineno-1, node.lineno)]
    return [*lines[start:first.lineno-1], before]

def in_short(node, lines):
    "What the user of a function or a class has to know: arguments, docstrings, fields and public methods"
    found = head_of(node, lines)
    if not isinstance(node, ast.ClassDef): return found
    for n in node.body:
        if isinstance(n, ast.AnnAssign): found += lines[n.lineno-1:n.end_lineno]
        elif isinstance(n, ast.FunctionDef) and (n.name[0]!='_' or n.name in ('__init__', '__call__')): found += ['', *head_of(n, lines)]
    return found

def pieces(cell):
    "(node, its lines and the private ones before it) of each public function and class of a cell, then the lines that are left"
    lines,start,found = cell.source.splitlines(),0,[]
    for n in cell.parsed_() or []:
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith('_'):
            found.append((n, lines[start:n.end_lineno]))
            start = n.end_lineno
    return found,lines[start:]

def code_block(lines): return mk_cell('```python\n'+'\n'.join(lines).strip('\n')+'\n```', 'markdown')

def behind(lines, summary):
    "Code behind a line"
    text = '\n'.join(l for l in lines if not l.startswith('#|')).strip('\n')
    cell = mk_cell(f'#| code-fold: true\n#| code-summary: "{summary}"\n{text}')
    return [cell] if text.strip() else []

def constants(cell):
    "Lines of the public names that a cell binds outside of functions and classes"
    lines,out = cell.source.splitlines(),[]
    for n in cell.parsed_() or []:
        if isinstance(n, ast.Assign) and getattr(n.targets[0], 'id', '_')[0]!='_': out += lines[n.lineno-1:n.end_lineno]
    return out

def in_reference(cell, module):
    "An exported cell of a page of the reference: each public name under a heading of its own, in short, its code folded"
    found,rest = pieces(cell)
    out,lines = [],cell.source.splitlines()
    for node,own in found:
        whole = [l for l in own if not l.startswith('#|')]
        short = in_short(node, lines)
        folds = sum(map(bool, whole))>sum(map(bool, short))+2
        out += [heading(listify(showdoc_nm(node)), module, places_of(cell) if node is found[0][0] else ()), code_block(short if folds else whole)]
        if folds: out += behind(own, 'Code')
    if not found:
        public = constants(cell)
        out = [*([mk_cell(anchors(places_of(cell)), 'markdown')] if places_of(cell) else []), *([code_block(public)] if public else [])]
    return [*out, *behind(rest, 'More code' if found else 'Code')]

def names_to_import(module):
    "What a module offers, as the statement that brings it in"
    path = get_config().lib_path/(module.replace('.', '/')+'.py')
    tree = ast.parse(path.read_text(encoding='utf-8'))
    names = next((ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id=='__all__'), [])
    one = f'from itr_nb.{module} import {", ".join(names)}'
    if len(one)<=88: return [one] if names else []
    return [f'from itr_nb.{module} import (', *textwrap.wrap(', '.join(names), 84, initial_indent='    ', subsequent_indent='    '), ')']

def silent(cell):
    "A cell without what it printed"
    cell.outputs = []
    return cell

def is_imports(cell):
    "Is a cell one of the imports that are shown folded?"
    if cell.cell_type!='code' or cell.directives_.keys()&{'default_exp','file','proof','echo'}: return False
    return only_imports(ast.Module(cell.parsed_() or [], []))

def unmarked(cell):
    "The code of a cell without what only the tools read"
    return re.sub(r'^#\|.*\n?', '', cell.source, flags=re.M).strip('\n')

def joined(cells):
    "Cells in which imports that follow each other are one"
    out = []
    for cell in cells:
        if out and is_imports(cell) and is_imports(out[-1]): out[-1].source = '\n'.join(map(unmarked, (out[-1], cell)))
        else: out.append(cell)
    return out

# What the site says of a cell whose outputs were kept, by the mark that keeps it from being run
kept = {'slow':'slow', 'cuda':'on a GPU', 'hub':'from the network'}

# What the site says of code that it folds
helpers,inside = 'Helpers: the code below needs them','Code, for who changes the module: it names what is private'

def kept_for(cell):
    "What the site says of a cell that is not run with its page, or trains something; '' for the others"
    why = next((said for mark,said in kept.items() if mark in cell.directives_), '')
    if not why and cell.outputs and 'spread' in cell.directives_: return 'trained: another machine gives other digits'
    return why and f'{why}: {"its output was kept" if cell.outputs else "not run with this page"}'

def labelled(cell):
    "A cell below a label that says why its outputs were kept or may differ, or which file it is a part of"
    said = kept_for(cell) or ''.join(cell.directives_.get('file', ''))
    return [mk_cell(f'<p class="kept">{said}</p>', 'markdown'), cell] if said else [cell]

def only_private(cell):
    "Does a cell define nothing that a user may name?"
    def name(n): return getattr(n, 'name', None) or getattr(n, 'targets', [n])[0]
    named = [n if isinstance(n, str) else getattr(n, 'id', '') for n in map(name, cell.parsed_() or [])]
    return bool(named) and all(n.startswith('_') for n in named)

def has_picture(cell): return any('image/png' in o.get('data', {}) for o in cell.outputs)

def is_open(cell):
    "Does the code of a cell stand open on the site, as something to be copied?"
    return cell.cell_type=='code' and not cell.directives_.keys()&{*hidden, 'proof', 'echo', 'code-fold'} and not is_imports(cell)

def needed_by(cells):
    "The cells, by `id`, that made last what a cell below reads: one that stands open, or a figure's"
    made,needed = {},set()
    for c in cells:
        if c.cell_type!='code' or 'proof' in c.directives_: continue
        read,own = names_in(code_of(c))
        if is_open(c) or 'echo' in c.directives_: needed |= {id(made[name]) for name in read & made.keys()}
        made |= dict.fromkeys(own, c)
    return needed

def is_inside(cell):
    "Does an open cell name what is private to the module, which nobody who copies it has?"
    return is_open(cell) and any(re.match('_[^_]', name) for name in names_in(code_of(cell))[0])

def of_the_shell(cell):
    "Does an exported cell hold verbs of the command line? Their signatures are written for typer; a reader has `--help`"
    return bool(re.search(r'@app\.|\btyper\.|\boption\(|\bargument\(', cell.source))

def shown(cell, module, lesson=True, needed=frozenset()):
    """What stands on the site for a cell: definitions under a heading, imports and hidden code folded, so that who copies has all

    Code whose outputs were kept says so, folded code that cells below need (`needed`) too. Outside a lesson definitions
    are shown in short, and what is private to the module, or written for the command line, is folded."""
    if cell.cell_type!='code': return [cell]
    marks = cell.directives_
    if marks.get('echo')=='false':
        what = 'Code of the figure' if has_picture(cell) else 'Code of the table'
        if id(cell) in needed: what += ', which the code below needs'
        return [fold(cell, f'{what}; {kept_for(cell)}' if kept_for(cell) else what)]
    if is_imports(cell): return [silent(fold(cell, 'Imports: the code below needs them'))]
    if not lesson and is_inside(cell): return [fold(cell, inside)]
    if not marks.keys()&hidden: return labelled(cell)
    if not cell.source.strip() or marks.get('eval')=='false' and 'hide' in marks: return []
    if 'hide' in cell.directives_: return [mk_cell(anchors(places_of(cell)), 'markdown'), silent(fold(cell, helpers if id(cell) in needed else 'More code'))]
    exported = {'export', 'exports'}&cell.directives_.keys()
    home = ''.join(''.join(cell.directives_[d]) for d in exported).strip()
    names,places = names_of(cell),places_of(cell)
    if not lesson and of_the_shell(cell): return [mk_cell(anchors(places), 'markdown'), *behind(cell.source.splitlines(), f'Code of {", ".join(names)}' if names else 'Code')]
    if not lesson and (names or places or only_private(cell)): return in_reference(cell, home or module)
    if names: return [heading(names, home or module, places), cell]
    return [mk_cell(anchors(places), 'markdown'), cell] if places else [cell]

def page_of(nb): return Page(get_config().nbs_path/Path(nb.path_).relative_to(get_config().nbs_path))

def below_title(cells, lines):
    "Cells with code below the title, which nbdev has made the head of the page"
    at = next((i for i,c in enumerate(cells) if c.cell_type=='raw'), -1)+1
    return [*cells[:at], code_block(lines), *cells[at:]] if lines else cells

class show_source(Processor):
    "Put exported definitions under headings, and fold what is hidden; the home page is no lesson and shows no code"
    def begin(self):
        if Path(self.nb.path_).stem=='index':
            self.nb.cells = [c for c in self.nb.cells if c.cell_type!='code' or 'hide' not in c.directives_]
            return
        module,page = module_of(self.nb),page_of(self.nb)
        whole = joined(self.nb.cells)
        needed = needed_by(whole)
        cells = [c for cell in whole for c in shown(cell, module, page.is_lesson, needed)]
        self.nb.cells = cells if page.is_lesson or not module else below_title(cells, names_to_import(module))

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

@cache
def places():
    "Name → {module: address} of everything that the package exports"
    found = {}
    for module,names in lookup().entries[get_config().lib_path.name]['syms'].items():
        for name,(url,*_) in names.items(): found.setdefault(name.removeprefix(f'{module}.'), {})[module] = url
    return found

@cache
def other_uses():
    "Names of arguments, fields and attributes in the package, and its strings: a word in backticks often means one of those"
    found = set()
    for path in get_config().lib_path.rglob('[!_]*.py'):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        tree.body = [n for n in tree.body if not (isinstance(n, ast.Assign) and getattr(n.targets[0], 'id', '')=='__all__')]
        for n in ast.walk(tree):
            match n:
                case ast.arg(arg=name) | ast.keyword(arg=name) | ast.AnnAssign(target=ast.Name(id=name)): found.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Constant(value=str(name)): found.add(name)
    return found

def at_hand(nb):
    "Name → where it leads, None for nowhere, of what a page defines or takes from the package"
    here,found = nbpath2html(Path(nb.path_).relative_to(get_config().nbs_path)).as_posix(),{}
    for n in (n for c in nb.cells if c.cell_type=='code' for n in c.parsed_() or []):
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)):
            urls = places().get(n.name, {}).values()
            found[n.name] = next((u for u in urls if f'/{here}#' in u), None)
        elif isinstance(n, ast.ImportFrom) and (n.module or '').startswith('itr_nb'):
            for a in n.names:
                urls = places().get(a.name, {})
                inside = next((u for m,u in urls.items() if f'{m}.'.startswith(f'{n.module}.')), None)
                if urls: found[a.asname or a.name] = inside or lookup().doc(a.name)
    return found

splits = {'train', 'val', 'dev', 'test', 'fold', 'split', 'partition', 'column', 'columns'}

def is_split(m):
    "Is a name in backticks one of a split or a column, as others that stand beside it are?"
    if m['name'] not in splits: return False
    beside = m.string[max(0, m.start()-30):m.start()]+' '+m.string[m.end():m.end()+30]
    return any(w in splits and w!=m['name'] for w in re.findall(r'\w+', beside))

def target(name, before, module, hand):
    """Where a name in backticks leads, None for nowhere; `hand` is `at_hand` of the page

    A notebook's name leads to its page, and a module's if it has a dot, or if the text before it says that it is one. What the page
    defines or imports leads to where that is explained. Another lower-case word is more often an argument, a field or a setting than
    a function: it leads somewhere only if the package has one thing of that name, and that not on a page that comes later; of the
    reference, which is not read in order, none does."""
    homes,plain = addresses(),name.removesuffix('()')
    if '/' in name and name in notebooks(): return notebooks()[name]
    says_page = re.match(r'- (Before|Next|See)\b', before) or re.search(r'\bpages? ([^.;]* and )?$', before)
    if name in homes and ('.' in name or says_page): return homes[name]
    if plain in hand: return hand[plain]
    found = lookup().doc(plain)
    if found and re.fullmatch('[a-z0-9]+', name):
        if len(places().get(name, ()))>1 or name in other_uses(): return None
        order,there = list(notebooks().values()),found.partition('#')[0]
        looked_up = '/reference/' in there and module and '/reference/' in homes[module]
        if module and not looked_up and order.index(there)>order.index(homes[module]): return None
    return found

# A link or a picture, whose text may hold brackets of its own
a_link = r'!?\[(?:[^\[\]\n]|\[[^\[\]\n]*\])*\]\([^)\n]*\)'

def link_names(text, module, hand):
    "Text of a page in which names in backticks are links, but for those in code and in links"
    def link(m):
        if m['name'] is None: return m[0]
        to = None if is_split(m) else target(m['name'], m.string[:m.start()], module, hand)
        return m[0] if to is None else f'[{m[0]}]({to})'
    parts = re.split(r'(^```.*?^```|^    [^\n]*$)', text, flags=re.M|re.S)
    name = r'(?<![\[`])`(?P<name>[^`\s]+)`(?!`)'
    parts[::2] = ['\n'.join(re.sub(f'{a_link}|{name}', link, l) for l in p.split('\n')) for p in parts[::2]]
    return ''.join(parts)

def without_marks(text):
    "Text of a page whose code blocks do not show what only the tools read, such as `#| slow`"
    return re.sub(r'(^```python\n)(?:#\|[^\n]*\n)+', r'\1', text, flags=re.M)

class add_links(Processor):
    "Names in prose, and calls in what cells print, lead to where they are explained"
    def begin(self): self.module,self.hand = module_of(self.nb),at_hand(self.nb)

    def cell(self, cell):
        if cell.cell_type=='markdown': cell.source = without_marks(link_names(cell.source, self.module, self.hand))
        for o in cell.get('outputs', []):
            if md:=o.get('data', {}).get('text/markdown'): o['data']['text/markdown'] = link_names(''.join(md), 'core', self.hand)
