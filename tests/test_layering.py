"The folder listing is the architecture: a page imports only from pages with lower numbers"
import ast

import pytest
from tools.pages import pages,tree_of

found = pages()
number_of = {p.module:p.number for p in found if p.module}

def modules_in(tree, package):
    "Modules of itr_nb that a piece of code imports; `package` is where relative imports start, '' outside the package"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level: base = '.'.join(package.split('.')[:len(package.split('.'))-node.level+1]+([base] if base else []))
            names = [base, *(f'{base}.{a.name}' for a in node.names)]
        else: continue
        for n in names:
            if n.startswith('itr_nb.') and n.removeprefix('itr_nb.') in number_of: yield n.removeprefix('itr_nb.')

@pytest.mark.parametrize('page', [p for p in found if p.module], ids=lambda p: p.module)
def test_module_imports_from_below(page):
    package = f'itr_nb.{page.module}'.rpartition('.')[0]
    for m in modules_in(ast.parse(page.source.read_text(encoding='utf-8')), package):
        assert number_of[m]<page.number, f'{page.source.name} (page {page.number}) imports itr_nb.{m} (page {number_of[m]})'

@pytest.mark.parametrize('page', [p for p in found if p.number is not None], ids=lambda p: p.name)
def test_cells_import_from_below(page):
    for cell in page.code:
        for m in modules_in(tree_of(cell), ''):
            assert m==page.module or number_of[m]<page.number, f'{page.name}, cell {cell.id} imports itr_nb.{m} (page {number_of[m]})'

def test_every_module_has_its_page():
    from common import root
    generated = {p.relative_to(root/'itr_nb').with_suffix('').as_posix().replace('/', '.') for p in (root/'itr_nb').rglob('*.py')}
    assert {m for m in generated if not m.split('.')[-1].startswith('_')}==set(number_of)

def test_numbers_are_unique():
    numbers = [p.number for p in found if p.number is not None]
    assert len(numbers)==len(set(numbers))
