"`import itr_nb` stays light: what is heavy is imported where it is used"
import subprocess,sys

from tools.pages import pages

heavy = 'transformers', 'datasets', 'sentence_transformers', 'tensorboard', 'matplotlib', 'nltk', 'pandas', 'sklearn', 'scipy'

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
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    lines = [l.split() for l in out.splitlines()]
    print(f'seconds above torch ({float(lines[0][1]):.2f}): {sum(float(l[1]) for l in lines[1:]):.2f}')
    for module,_,*came in lines[1:]: assert not came, f'importing {module} imports {came}'
