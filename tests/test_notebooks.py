"The notebooks are the only source: what is made from them is what they make; and they keep the form of a lesson"
import ast,filecmp,io,os,re,shutil,subprocess,sys,tokenize
from dataclasses import dataclass

import pytest
from common import root
from tools.export_tests import export_tests
from tools.pages import code_of,is_exported,pages,tree_of
from tools.readme import write_readme
from tools.sidebar import write_sidebar

@dataclass(frozen=True)
class Most:
    "How long and how wide a cell may be"
    lines:int
    columns:int

# The only place of these numbers
most = dict(exported=Most(lines=90, columns=100), check=Most(lines=60, columns=88), lesson=Most(lines=30, columns=88))
most_cells,most_module_lines = 130,400

found = pages()
modules = [p for p in found if p.module]
lessons = [p for p in modules if p.chapter not in ('reference', 'start')]

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
    assert re.fullmatch(r'# \S.*\n+> \S.*', first), f'{page.name}: the first text cell is `# Title` and `> one-sentence promise`, and no more'

@pytest.mark.parametrize('page', [p for p in lessons if any(h.startswith('Problem') for h in headings(p))], ids=lambda p: p.name)
def test_sections(page):
    text = '\n'.join(headings(page))
    for name in ('Problem', 'Picture', 'Check', 'Edges', 'Exercises', 'References'):
        assert re.search(rf'^{name}', text, re.M|re.I), f'{page.name} has no section "{name}"; it has {headings(page)}'

@pytest.mark.parametrize('page', found, ids=lambda p: p.name)
def test_size(page):
    n = len(page.nb.cells)
    assert n<=most_cells, f'{page.name} has {n} cells, at most {most_cells}'

@pytest.mark.parametrize('page', modules, ids=lambda p: p.name)
def test_modules_are_short(page):
    n = len(page.source.read_text(encoding='utf-8').splitlines())
    assert n<=most_module_lines, f'{page.source.name} has {n} lines, at most {most_module_lines}: split it by concern'

def defines(cell): return any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) for n in tree_of(cell).body)

def lines_of(cell): return [l for l in code_of(cell).splitlines() if l.strip()]

def kind_of(cell): return 'exported' if is_exported(cell) else 'check' if defines(cell) else 'lesson'

def is_shown(cell): return not {'hide', 'echo'}&cell.directives.keys()

@pytest.mark.parametrize('page', found, ids=lambda p: p.name)
def test_cells_are_short(page):
    for cell in filter(is_shown, page.code):
        n,kind = len(lines_of(cell)),kind_of(cell)
        assert n<=most[kind].lines, f'{page.name}, cell {cell.id} ({lines_of(cell)[0]}): {n} lines in a {kind} cell, at most {most[kind].lines}'

@pytest.mark.parametrize('page', found, ids=lambda p: p.name)
def test_cells_are_narrow(page):
    wide = [f'cell {c.id}: {len(l)} columns, at most {most[kind_of(c)].columns}: {l.strip()}'
        for c in page.code for l in code_of(c).splitlines() if len(l)>most[kind_of(c)].columns]
    assert not wide, f'{page.name}, '+'\n'.join(wide)

def packed(source):
    "Lines on which a semicolon joins statements"
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [t.line.strip() for t in tokens if t.type==tokenize.OP and t.string==';']

def stars(tree):
    "Modules that are imported whole"
    return [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.names[0].name=='*']

@pytest.mark.parametrize('page', modules, ids=lambda p: p.name)
def test_exported_code_has_air_and_says_what_it_imports(page):
    for cell in filter(is_exported, page.code):
        assert not packed(code_of(cell)), f'{page.name}, cell {cell.id}: one statement a line: {packed(code_of(cell))}'
        assert not stars(tree_of(cell)), f'{page.name}, cell {cell.id}: a star in what is exported: {stars(tree_of(cell))}'

def test_a_packed_line_and_a_star_are_noticed():
    assert packed("a = ';' # b; c\nif a: b = 1; c = 2\n")==['if a: b = 1; c = 2']
    assert stars(ast.parse('from a import b\ndef f():\n    from ..core import *'))==['core']

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

@pytest.mark.parametrize('page', modules, ids=lambda p: p.name)
def test_no_test_takes_the_place_of_another(page):
    names = [n.name for n in ast.parse(page.tests.read_text(encoding='utf-8')).body if isinstance(n, ast.FunctionDef) and n.name.startswith('test_')] if page.tests.exists() else []
    assert len(names)==len(set(names)), f'{page.name}: defined twice: {sorted({n for n in names if names.count(n)>1})}'

@pytest.mark.parametrize('page', modules, ids=lambda p: p.name)
def test_page_has_tests(page):
    assert page.tests.exists(), f'{page.name} has no function test_*'

proved = re.compile(r'(losses|score)\..+|sgraf\.attention|judge\.(ranks|graded)')

@pytest.mark.parametrize('page', [p for p in modules if proved.fullmatch(p.module)], ids=lambda p: p.name)
def test_page_lists_mutants(page):
    from tools.mutate import mutants,read_mutants
    assert (mutants/f'{page.module}.toml').exists(), f'itr_nb/faults/{page.module}.toml is missing'
    assert len(read_mutants(page.module))>=3
