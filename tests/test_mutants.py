"The pages' tests notice a one-line fault in the code that they test, and pass when there is none"
import subprocess,sys

import pytest
from common import root
from tools.mutate import apply,Mutant,mutants

@pytest.mark.parametrize('module', sorted(p.stem for p in mutants.glob('*.toml')))
def test_every_fault_is_noticed(module):
    done = subprocess.run([sys.executable, 'tools/mutate.py', module], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode==0, done.stdout

def test_a_fault_must_be_one_place_in_one_line():
    assert apply('a = 1\nb = 2\n', Mutant('a = 1', 'a = 2', ''), 'x')=='a = 2\nb = 2\n'
    for old in ('= ', 'c', 'a = 1\nb'):
        with pytest.raises(ValueError): apply('a = 1\nb = 2\n', Mutant(old, '', ''), 'x')

def test_a_fault_that_nobody_notices_is_reported(tmp_path):
    code = '''
import tools.mutate as m
from tools.pages import pages
page = next(p for p in pages() if p.module=='losses.triplet')
m.read_mutants = lambda module: [m.Mutant('__all__ =', '__all__  =', 'changes nothing'), m.Mutant('relu(margin-pos[:,None]+sims)', 'relu(margin+pos[:,None]+sims)', 'the sign')]
problems = m.mutate(page)
assert len(problems)==1 and 'changes nothing' in problems[0], problems
'''
    subprocess.run([sys.executable, '-c', code], cwd=root, check=True)
