"`import itr_nb` stays light: what is heavy is imported where it is used"
import subprocess,sys

import itr_nb
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
