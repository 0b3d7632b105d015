"The ledger: numbers are unique and in order, pages name the entry that they speak of, and options are arguments of what they name"
import importlib,inspect,math,re,tomllib
from collections import Counter

import pytest
from common import root
from tools.pages import chapters,pages

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

plain_words = {*'the a an of and or in is it its as to with that this by for on at one are be not no from our here so what which has have does do both they them than all each where there was were said says paper released code names under'.split()}

def words_of(text):
    "Words that carry a meaning, without their endings; numbers too, D-numbers not"
    found = re.findall(r'[a-z]+|\d*\.\d+|\d+', re.sub(r'\]\([^)]*\)|\bD\d+', '', text).lower())
    return {re.sub(r'(ies|es|s|ed|ing|al|er)$', '', w) for w in found if w not in plain_words and len(w)>1}

entries = {d['id']:words_of(' '.join(d[k] for k in ('where','paper_says','code_does','default','option'))) for d in ledger}
rare = Counter(w for e in entries.values() for w in e)

def place(text, id):
    "How many entries share more with a text than this one, rare words counting most, and one more"
    shared = {k:sum(math.log(len(entries)/rare[w]) for w in words_of(text)&e) for k,e in entries.items()}
    return 1+sum(x>shared[id] for x in shared.values())

most_before = 4 # Entries that a sentence may resemble more than the one that it names

def wrong_numbers(text):
    "Numbers of entries that neither the sentence nor its line speaks of; a list of several numbers says too little of each"
    for line in text.split('\n'):
        for said in re.split(r'(?<=[.;:!?])\s+(?=[A-Z*(\[$`-])', line):
            ids = re.findall(r'\bD\d+\b(?!, say)', said)
            if len(ids)==1 and ids[0] in entries and min(place(said, ids[0]), place(line, ids[0]))>1+most_before: yield f'{ids[0]}: {said}'

def foreign_numbers(page, text):
    "Numbers of another paper's entries on a paper's pages"
    papers = {d['id']:d['paper'] for d in ledger}
    known = {p for d in ledger for p in d['paper'].split(', ')}
    own = chapters.get(page.chapter)
    return [i for i in re.findall(r'\bD\d+\b', text) if own in known and i in papers and own not in papers[i]]

def prose(page): return '\n'.join(c.source for c in page.nb.cells if c.cell_type=='markdown')

def test_pages_name_the_entry_that_they_speak_of():
    for p in pages():
        if p.name.endswith('90_deviations.ipynb'): continue
        assert not [*wrong_numbers(prose(p))], p.name
        assert not foreign_numbers(p, prose(p)), p.name

def leads_nowhere(text): return bool(re.search(r'\bD\d+\b', text)) and '90_deviations.ipynb' not in text

def test_pages_that_name_an_entry_lead_to_the_ledger():
    assert leads_nowhere('the sign (D22)') and not leads_nowhere('D22 of the [ledger](90_deviations.ipynb)') and not leads_nowhere('2D')
    lost = [p.name for p in pages() if not p.name.endswith('90_deviations.ipynb') and leads_nowhere(prose(p))]
    assert not lost

def test_a_wrong_number_is_noticed():
    said = 'IMC prints Eq. (2) with one maximum over the whole batch; its code has one for each query, as here (D1).'
    assert not [*wrong_numbers(said)] and [*wrong_numbers(said.replace('D1', 'D3'))]
    sgraf = next(p for p in pages() if p.chapter=='sgraf')
    assert foreign_numbers(sgraf, 'the sign (D22)')==['D22'] and not foreign_numbers(sgraf, 'negatives (D2)')

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
