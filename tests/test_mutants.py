"The pages' tests notice a one-line fault in the code that they test, and pass when there is none"
import subprocess,sys

import pytest
from common import root
from tools.mutate import Mutant,apply,mutants,read_mutants,write_mutants
from tools.warm import Warm

@pytest.fixture(scope='module')
def mutate():
    "A warm process that plants the faults of one module after another"
    process = Warm(root/'tools'/'mutate.py')
    yield process
    process.close()

@pytest.mark.parametrize('module', sorted(p.stem for p in mutants.glob('*.toml')))
def test_every_fault_is_noticed(module, mutate):
    said = mutate(module)
    assert not said, said

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

def test_what_is_recorded_can_be_read(tmp_path, monkeypatch):
    "A fault that only takes away is one too"
    monkeypatch.setattr('tools.mutate.mutants', tmp_path)
    listed = [Mutant('a = 1', '', 'taken away', 'test_a'), Mutant('b', 'c', 'changed')]
    write_mutants('x', listed)
    assert read_mutants('x')==listed

def test_a_fault_reaches_what_the_package_offers():
    "`from itr_nb.score import cosine` is the faulty function, and not the module of that name"
    code = '''
import tools.mutate as m
from tools.pages import pages
path = next(p for p in pages() if p.module=='score.cosine').source
m.install('itr_nb.score.cosine', path.read_text()+'\\ncosine = 7\\n', path)
from itr_nb.score import cosine
from itr_nb.score.cosine import cosine as own
assert cosine==own==7
'''
    subprocess.run([sys.executable, '-c', code], cwd=root, check=True)
