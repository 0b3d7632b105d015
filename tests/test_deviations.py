"The ledger: numbers are unique and in order, pages name entries that exist, and options are arguments of what they name"
import importlib,inspect,re,tomllib

import pytest
from common import root
from tools.pages import pages

ledger = tomllib.loads((root/'results'/'deviations.toml').read_text(encoding='utf-8'))['deviation']
numbers = [int(d['id'].removeprefix('D')) for d in ledger]

def named(name):
    "What a public name of the package stands for"
    for p in pages():
        module = importlib.import_module(f'itr_nb.{p.module}') if p.module else None
        if module and name in getattr(module, '__all__', ()): return getattr(module, name)

def test_numbers_are_in_order():
    assert numbers==sorted(set(numbers))

def test_every_entry_is_whole():
    for d in ledger: assert all(d[k].strip() for k in ('paper','where','paper_says','code_does','default')) and 'option' in d, d['id']

def test_pages_name_entries_that_exist():
    for p in pages():
        said = '\n'.join(c.source for c in p.nb.cells if c.cell_type=='markdown')
        lost = {int(n) for n in re.findall(r'\bD(\d+)\b(?=[^\n]*ledger)|\(D(\d+)[,;) ]', said) for n in n if n}-set(numbers)
        assert not lost, f'{p.name} names D{lost}'

@pytest.mark.parametrize('d', [d for d in ledger if '(' in d['option']], ids=lambda d: d['id'])
def test_options_are_arguments(d):
    for names,args in re.findall(r"((?:\w+, )*\w+) ?\(([^()]*)\)", d['option']):
        keys = set(re.findall(r'(\w+)=', args))
        takes = {}
        for name in names.split(', '):
            found = named(name)
            if found is None: continue # a call within a sentence
            takes[name] = set(inspect.signature(found).parameters)
            assert not keys or keys&takes[name], f"{d['id']}: {name} takes none of {keys}"
        if takes: assert keys<=set().union(*takes.values()), f"{d['id']}: nobody takes {keys-set().union(*takes.values())}"
