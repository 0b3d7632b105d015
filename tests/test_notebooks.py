"The notebooks are the only source: what is made from them is what they make; and they keep the form of a lesson"
import ast,filecmp,os,re,shutil,subprocess,sys

import pytest
from common import root
from tools.export_tests import export_tests
from tools.pages import code_of,is_exported,pages,tree_of
from tools.readme import write_readme
from tools.sidebar import write_sidebar

found = pages()
lessons = [p for p in found if p.module]

def differences(a, b):
    "Files that differ between two folders"
    def walk(c):
        yield from (os.path.join(c.left, f) for f in c.left_only+c.right_only+c.diff_files+c.funny_files)
        for s in c.subdirs.values(): yield from walk(s)
    return list(walk(filecmp.dircmp(a, b, ignore=['__pycache__', '.ipynb_checkpoints', '.last_checked'])))

def test_clean_and_exported(tmp_path):
    for f in ('nbs', 'itr_nb'): shutil.copytree(root/f, tmp_path/f, symlinks=True, ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints'))
    shutil.copy(root/'pyproject.toml', tmp_path)
    for command in ('clean', 'export'):
        code = f'from nbdev.{"clean" if command=="clean" else "doclinks"} import nbdev_{command} as f; f.__wrapped__()'
        subprocess.run([sys.executable, '-c', code], cwd=tmp_path, check=True)
    filecmp.clear_cache()
    differ = [d for f in ('nbs', 'itr_nb') for d in differences(str(root/f), str(tmp_path/f))]
    assert not differ, f'run `make export` and commit what it writes: {differ}'

def test_exported_tests_are_in_step():
    assert not export_tests(check=True), 'run `make export`'

def test_sidebar_is_in_step():
    assert not write_sidebar(check=True), 'run `make export`'

def test_readme_is_in_step():
    assert not write_readme(check=True), 'run `make export`'

def headings(page): return [h for c in page.nb.cells if c.cell_type=='markdown' for h in re.findall(r'^#+ (.+)$', c.source, re.M)]

@pytest.mark.parametrize('page', found, ids=lambda p: p.name)
def test_title_and_promise(page):
    first = next(c for c in page.nb.cells if c.cell_type=='markdown').source
    assert re.match(r'# \S.*\n+> \S', first), f'{page.name}: the first text cell is `# Title` and `> one-sentence promise`'

@pytest.mark.parametrize('page', lessons, ids=lambda p: p.name)
def test_sections(page):
    text = '\n'.join(headings(page))
    for name in ('Problem', 'Picture', 'Check', 'Edges', 'Exercises', 'References'):
        assert re.search(rf'^{name}', text, re.M|re.I), f'{page.name} has no section "{name}"; it has {headings(page)}'

@pytest.mark.parametrize('page', lessons, ids=lambda p: p.name)
def test_size(page):
    n = len(page.nb.cells)
    assert 35<=n<=130, f'{page.name} has {n} cells'

def defines(cell): return any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) for n in tree_of(cell).body)

def lines_of(cell): return [l for l in code_of(cell).splitlines() if l.strip()]

@pytest.mark.parametrize('page', found, ids=lambda p: p.name)
def test_cells_are_short(page):
    for cell in page.code:
        n,first = len(lines_of(cell)),(lines_of(cell) or [''])[0]
        kind,most = ('exported', 40) if is_exported(cell) else ('check', 20) if defines(cell) else ('lesson', 12)
        if not {'hide', 'echo'}&cell.directives.keys(): assert n<=most, f'{page.name}, cell {cell.id} ({first}): {n} lines in a {kind} cell, at most {most}'

@pytest.mark.parametrize('page', found, ids=lambda p: p.name)
def test_lesson_cells_have_no_comments(page):
    for cell in page.code:
        if is_exported(cell) or {'hide', 'echo'}&cell.directives.keys(): continue
        for line in lines_of(cell): assert not line.lstrip().startswith('#'), f'{page.name}, cell {cell.id}: say this above the cell: {line}'

@pytest.mark.parametrize('page', found, ids=lambda p: p.name)
def test_cells_were_run(page):
    for cell in page.code:
        tree = tree_of(cell)
        shows = tree.body and isinstance(tree.body[-1], ast.Expr) and not isinstance(tree.body[-1].value, ast.Call)
        quiet = {'hide', 'default_exp'}&cell.directives.keys() or cell.directives.get('eval')=='false' or code_of(cell).rstrip().endswith(';')
        if shows and not quiet: assert cell.outputs, f'{page.name}, cell {cell.id} ends in a value but shows none: {lines_of(cell)[-1]}'

@pytest.mark.parametrize('page', found, ids=lambda p: p.name)
def test_tone(page):
    emoji = re.compile('[\U0001F300-\U0001FAFF\u2600-\u26FF]')
    for cell in page.nb.cells:
        if cell.cell_type!='markdown': continue
        assert not emoji.search(cell.source), f'{page.name}, cell {cell.id}: an emoji in the prose'
        assert not re.search(r'\bsimply\b', cell.source, re.I), f'{page.name}, cell {cell.id}: "simply"'

@pytest.mark.parametrize('page', found, ids=lambda p: p.name)
def test_outputs_say_nothing_of_this_machine(page):
    for cell in page.code:
        shown = str(cell.outputs)
        for trace in (str(root.parent), '/home/', '/root/', '/Users/', '/tmp/', 'site-packages'):
            assert trace not in shown, f'{page.name}, cell {cell.id} shows a path with {trace}'

@pytest.mark.parametrize('page', lessons, ids=lambda p: p.name)
def test_no_test_takes_the_place_of_another(page):
    names = [n.name for n in ast.parse(page.tests.read_text(encoding='utf-8')).body if isinstance(n, ast.FunctionDef) and n.name.startswith('test_')] if page.tests.exists() else []
    assert len(names)==len(set(names)), f'{page.name}: defined twice: {sorted({n for n in names if names.count(n)>1})}'

@pytest.mark.parametrize('page', lessons, ids=lambda p: p.name)
def test_page_has_tests(page):
    assert page.tests.exists(), f'{page.name} has no function test_*'

@pytest.mark.parametrize('page', [p for p in lessons if p.module.startswith('losses.') or p.module in ('attention', 'similarity', 'evaluate')],
    ids=lambda p: p.name)
def test_page_lists_mutants(page):
    from tools.mutate import mutants,read_mutants
    assert (mutants/f'{page.module}.toml').exists(), f'tests/mutants/{page.module}.toml is missing'
    assert len(read_mutants(page.module))>=3
