"""How nbdev turns a notebook into a page of the site: what a page exports is shown as code, under a heading with a link to its source

nbdev would hide a cell marked `export`, run parts of the notebook, and show signatures. A lesson needs the code, docments and
docstring included, and that needs nothing to run. pyproject.toml names this processor, and those of nbdev's own that it replaces."""
import ast
from functools import cache

from fastcore.basics import listify
from fastcore.nbio import mk_cell
from nbdev.config import get_config
from nbdev.process import Processor
from nbdev.showdoc import showdoc_nm

hidden = {'export', 'exports', 'exporti', 'hide', 'default_exp'}

def names_of(cell):
    "Public names of the functions and classes that a cell defines, a patched method with its class"
    nodes = [n for n in cell.parsed_() or [] if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith('_')]
    return [name for n in nodes for name in listify(showdoc_nm(n))]

@cache
def lines_of(module):
    "Where in the generated module each definition starts"
    cfg = get_config()
    path = cfg.lib_path/(module.replace('.', '/')+'.py')
    return {n.name:n.lineno for n in ast.parse(path.read_text(encoding='utf-8')).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}

def heading(names, module):
    "Link to the source and a heading that nbdev's links to the first name lead to; the others get a place of their own"
    cfg = get_config()
    line = lines_of(module).get(names[0].rpartition('.')[2], 1)
    url = f'{cfg.git_url}/blob/{cfg.branch}/{cfg.lib_path.name}/{module.replace(".", "/")}.py#L{line}'
    others = ''.join(f'<span id="{n.lower()}"></span>' for n in names[1:])
    return mk_cell(f'[source]({url}){{style="float:right; font-size:smaller"}}{others}\n\n### {names[0]}', 'markdown')

class show_source(Processor):
    "Put exported definitions under headings, and drop the cells that only export or are hidden"
    def begin(self):
        module = next((c.directives_['default_exp'] for c in self.nb.cells if 'default_exp' in c.directives_), None)
        res = []
        for cell in self.nb.cells:
            if cell.cell_type=='code' and cell.directives_.keys()&hidden:
                exported = 'hide' not in cell.directives_ and {'export', 'exports'}&cell.directives_.keys()
                if exported and (names:=names_of(cell)): res += [heading(names, module), cell]
            else: res.append(cell)
        self.nb.cells = res
