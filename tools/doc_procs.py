"""How nbdev turns a notebook into a page of the site: the source of what a page exports stays visible

nbdev hides a cell marked `export` and shows the signature alone. A lesson needs the code, so a cell that defines something is shown
whole under the heading that nbdev gives it; cells that only export imports or data stay hidden. pyproject.toml names this processor
and the three of nbdev's own that it replaces."""
import ast,re

from nbdev.process import Processor

hidden = {'export', 'exports', 'exporti', 'hide', 'default_exp'}
signature = re.compile(r'\n+```python\n.*?\n```.*', re.DOTALL)

def defines(cell):
    "Whether a cell defines a function or a class"
    return any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) for n in cell.parsed_() or [])

def keep_heading(cell):
    "Cut what nbdev documents down to the link and the heading, since the code that follows says the rest"
    for o in cell.outputs:
        md = o.get('data', {}).get('text/markdown')
        if md: o['data']['text/markdown'] = signature.sub('\n', ''.join(md)).removeprefix('---\n')

class show_source(Processor):
    "Put the source of exported definitions under their headings, and drop the other cells that only export"
    def begin(self):
        res,shown = [],None # `shown` waits until its headings have passed
        for cell in self.nb.cells:
            if getattr(cell, 'has_sd', 0): keep_heading(cell)
            elif shown:
                res.append(shown)
                shown = None
            if cell.cell_type=='code' and cell.get('source') and cell.directives_.keys()&hidden:
                if 'hide' not in cell.directives_ and defines(cell): shown = cell
            else: res.append(cell)
        self.nb.cells = res+[shown] if shown else res
