"`import itr_nb` stays light: what is heavy is imported where it is used"
import ast,re,subprocess,sys

import itr_nb
from common import root
from tools.pages import pages

heavy = 'transformers', 'datasets', 'sentence_transformers', 'tensorboard', 'matplotlib', 'nltk', 'pandas', 'sklearn', 'scipy'

def said_by(*args): return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=True).stdout

def test_modules_import_nothing_heavy():
    modules = [f'itr_nb.{p.module}' for p in pages() if p.module]
    code = f'''
import sys,time,importlib
t = time.perf_counter(); import torch; print('torch', time.perf_counter()-t)
for m in {modules}:
    t = time.perf_counter(); importlib.import_module(m); dt = time.perf_counter()-t
    came = [h for h in {heavy} if h in sys.modules]
    print(m, dt, *came)
'''
    lines = [l.split() for l in said_by('-c', code).splitlines()]
    print(f'seconds above torch ({float(lines[0][1]):.2f}): {sum(float(l[1]) for l in lines[1:]):.2f}')
    for module,_,*came in lines[1:]: assert not came, f'importing {module} imports {came}'

def asked_for_only(node):
    "Is it the import of a `try` that says what to install?"
    return isinstance(node, ast.Try) and any('ImportError' in ast.unparse(h.type) for h in node.handlers if h.type)

def unused_imports(text):
    "Names that a module imports and neither uses nor offers under `__all__`"
    tree = ast.parse(text)
    probes = {id(x) for n in ast.walk(tree) if asked_for_only(n) for x in ast.walk(n)}
    nodes = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) and id(n) not in probes]
    came = {(a.asname or a.name).split('.')[0] for n in nodes for a in n.names}
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    said = [n.value for n in ast.walk(tree) if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) in ('__all__', '_all_')]
    said += [a for n in ast.walk(tree) for a in (getattr(n, 'annotation', None), getattr(n, 'returns', None)) if a]
    quoted = [x.value for n in said for x in ast.walk(n) if isinstance(x, ast.Constant) and isinstance(x.value, str)]
    used |= {w for q in quoted for w in re.findall(r'\w+', q)}
    return sorted(came-used)

def test_modules_import_nothing_for_nothing():
    "The `__init__` of a package offers what it imports, and the exported `_modidx` is a table"
    files = [p for p in sorted((root/'itr_nb').rglob('*.py')) if not p.name.startswith('_')]
    found = {p.relative_to(root).as_posix():unused_imports(p.read_text(encoding='utf-8')) for p in files}
    assert {k:v for k,v in found.items() if v}=={}

def test_a_planted_import_for_nothing_is_noticed():
    text = (root/'itr_nb'/'run'/'warm.py').read_text(encoding='utf-8')
    for name,line in dict(hashlib='import hashlib', nearest='from ..registry import nearest',
        Image='def f():\n    "An Image"\n    from PIL import Image').items():
        assert unused_imports(f'{text}\n{line}\n')==[name]
    assert unused_imports("__all__ = ['sqrt']\nfrom math import sqrt")==[]
    assert unused_imports("from a import B\ndef f(x:'B|None'): pass")==[]
    assert unused_imports("try: import a\nexcept ImportError as e: raise ImportError('install a') from e")==[]

def test_the_package_itself_imports_next_to_nothing():
    "Neither torch nor numpy, and of its own modules none"
    came = said_by('-c', 'import sys; import itr_nb; print(*sys.modules)').split()
    assert not {'torch', 'numpy', *heavy}&set(came)
    assert [m for m in came if m.startswith('itr_nb')]==['itr_nb']

def test_every_name_of_the_package_is_there():
    for name in itr_nb.__all__: assert getattr(itr_nb, name) is not None
    assert set(itr_nb.__all__)<=set(dir(itr_nb))
    assert not hasattr(itr_nb, 'sgrafs')

def test_a_star_brings_what_is_promised():
    names = said_by('-c', 'from itr_nb import *; print(*dir())').split()
    assert set(itr_nb.__all__)<=set(names)

def test_the_package_is_the_command():
    for module in ('itr_nb', 'itr_nb.cli'):
        said = said_by('-m', module, '--help')
        for verb in ('train', 'eval', 'encode', 'search', 'show', 'recipes'): assert verb in said
