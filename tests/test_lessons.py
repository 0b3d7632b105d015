"A lesson keeps its budgets: what a reader walks through is short, and its proof stands last, its answers folded"
import ast,builtins,importlib,re,tomllib
from types import SimpleNamespace

import pytest
from tools import doc_procs
from tools.course import before_proof,folded,line_count,lessons,made,minutes,solutions,word_count,words_a_minute,words_of_outputs,write_course
from tools.pages import code_of,is_exported,listed,names_in,nbs,only_imports,Page,pages,root,tree_of

package = root/'itr_nb'

# The only place of these numbers
most_words,most_code_lines,most_exercises = 1500,150,4

found = [l.page for l in lessons()]
# Chapters whose lessons teach an idea; `start` shows how to use what is there, `labs` has what other lessons explain
taught = [p for p in found if p.chapter not in ('start','labs')]
# Pages that are not in this form yet
unwritten:set[str] = set()

def text_of(page, cells=None): return '\n'.join(c.source for c in (page.nb.cells if cells is None else cells) if c.cell_type=='markdown')

def sections(page): return re.findall(r'^## (.+)$', text_of(page), re.M)

def exercises(page):
    "The text of each exercise"
    part = re.search(r'^## Exercises\n(.*?)(?=^## |\Z)', text_of(page), re.M|re.S)
    return re.split(r'^\*\*\d+\.', part[1], flags=re.M)[1:] if part else []

def budget(page):
    "A lesson is read in one sitting"
    if (n:=word_count(page))>most_words: yield f'{n} words before the proof, at most {most_words}'
    if (n:=line_count(page))>most_code_lines: yield f'{n} lines of code before the proof, at most {most_code_lines}'

def nothing_in_the_way(page):
    "No test and no traceback before the proof"
    for c in before_proof(page):
        if c.cell_type!='code': continue
        if re.search(r'^\s*def test_', c.source, re.M): yield f'cell {c.id}: a test before the proof'
        if any(o['output_type']=='error' for o in c.outputs): yield f'cell {c.id}: a traceback before the proof'

def proof_is_last(page):
    "The proof is the last section, and its cells say so"
    names = sections(page)
    if 'Proof' in names and names[-1]!='Proof': yield f'"{names[-1]}" stands behind the proof'
    early = {c.id for c in before_proof(page)}
    for c in page.nb.cells:
        if c.cell_type=='code' and ('proof' in c.directives)==(c.id in early) and c.id not in made:
            yield f'cell {c.id}: `#| proof` is for cells of the proof, and for all of them'

def has_its_parts(page):
    "What every lesson has"
    for name in ('Summary', 'Exercises'):
        if name not in sections(page): yield f'no section "{name}"'

def answers_are_folded(page):
    "Each exercise has a folded hint and a folded solution, and nothing of them stands open"
    asked = exercises(page)
    if len(asked)>most_exercises: yield f'{len(asked)} exercises, at most {most_exercises}'
    for i,text in enumerate(asked, 1):
        for name in ('Hint', 'Solution'):
            if f'<summary>{name}</summary>' not in text: yield f'exercise {i}: no folded {name.lower()}'
    if re.search(r'^\W*(Answers?|Solutions?)\b|\b(Answer|Solution):', folded.sub('', text_of(page)), re.M): yield 'an answer stands open'
    for i,code in enumerate(solutions(page), 1):
        if not any(isinstance(x, ast.Assert) for x in ast.walk(ast.parse(code))): yield f'solution {i}: its code checks nothing'

def nothing_leads_elsewhere(page):
    "The way on is the table's alone"
    for c in page.nb.cells:
        if c.cell_type=='markdown' and c.id not in made and re.search(r'^[-*\s]*\**(Next|Before|Previous)\b.{0,12}:', c.source, re.M):
            yield f'cell {c.id}: a way on of its own'

rules = [budget, nothing_in_the_way, proof_is_last, answers_are_folded, nothing_leads_elsewhere]

@pytest.mark.parametrize('page', [p for p in found if p.name not in unwritten], ids=lambda p: p.name)
def test_rules(page):
    broken = [w for rule in rules for w in rule(page)]
    assert not broken, f'{page.name}: '+'\n'.join(broken)

@pytest.mark.parametrize('page', [p for p in taught if p.name not in unwritten], ids=lambda p: p.name)
def test_parts(page): assert not list(has_its_parts(page)), page.name

def test_what_is_unwritten_is_there(): assert unwritten<={p.name for p in found}

def test_pages_say_what_the_table_says(): assert not write_course(check=True), 'run `make export`'

def test_data_name_pages_that_are_there():
    names = {p.name.removesuffix('.ipynb') for p in pages()}
    read = lambda path: tomllib.loads(path.read_text(encoding='utf-8'))
    entries = read(package/'glossary.toml')['entry']
    rows = [r for f in [package/'board.toml', *package.glob('*/board.toml')] for r in read(f)['row']]
    assert {e['page'] for e in entries}|{r['lesson'] for r in rows if 'lesson' in r}<=names
    assert len({e['term'].lower() for e in entries})==len(entries)

def misplaced(page, order=listed('lessons')):
    "Where another page is said to stand, and does not; a reference page has no lesson before or after it"
    text,here = text_of(page),order.index(page.name) if page.name in order else None
    if here is None: return re.findall(r'\b(?:next|last|previous) (?:page|lesson)\b', text)
    at = {w:order[i] if 0<=i<len(order) else None for w,i in (('next', here+1), ('last', here-1), ('before', here-1))}|{'first':'road/01_pairs_and_scores.ipynb'}
    links = re.findall(r'\[([^]]*\b(?:lesson|page)\b[^]]*)\]\(([^)#]+\.ipynb)', text)
    return [f'{said}: {to}' for said,to in links for w in at if re.search(rf'\b{w}\b', said) and at[w] != (page.name.rpartition('/')[0]+'/'+to if '/' not in to else to.removeprefix('../'))]

@pytest.mark.parametrize('page', pages(), ids=lambda p: p.name)
def test_other_pages_stand_where_it_says(page): assert not misplaced(page)

def test_a_wrong_place_is_noticed():
    order = ['road/01_pairs_and_scores.ipynb', 'a/2.ipynb', 'b/3.ipynb']
    def at(name, text): return misplaced(SimpleNamespace(name=name, nb=page_of('# A', text).nb), order)
    assert not at('a/2.ipynb', 'As in [the next lesson](../b/3.ipynb), [the last lesson](../road/01_pairs_and_scores.ipynb) and [the first](x.ipynb).')
    for text in ('[the last lesson](../b/3.ipynb)', '[the first lesson](2.ipynb)', '[lesson before](../b/3.ipynb)'): assert at('a/2.ipynb', text), text
    assert at('a/9.ipynb', 'The next page has it.') and not at('a/9.ipynb', 'The page has it.')

def says(page, term):
    "Does its prose use the term, where a reader meets it: before the proof, outside code, links' addresses and what is folded?"
    text = folded.sub('', '\n'.join(c.source for c in before_proof(page) if c.cell_type=='markdown' and c.id not in made))
    text = re.sub(r'```.*?```|`[^`\n]*`|\]\([^)]*\)', ' ', text, flags=re.S)
    return re.search(rf'(?<![\w-]){re.escape(term)}(s|es)?(?![\w-])', text, re.I) is not None

def test_the_glossary_leads_to_pages_that_use_its_terms():
    named = {p.name.removesuffix('.ipynb'):p for p in pages()}
    entries = tomllib.loads((package/'glossary.toml').read_text(encoding='utf-8'))['entry']
    lost = [f'{e["term"]} → {e["page"]}' for e in entries if not says(named[e['page']], e['term'])]
    assert not lost, lost

def test_a_term_in_code_alone_is_noticed():
    assert says(page_of('# Adapters'), 'adapter') and says(page_of('Triplet losses pull.'), 'triplet loss')
    for text in ('`adapter`', '```\nadapter\n```', '[x](adapter.ipynb)', '<details>adapter</details>', 'no-adapter', '## Proof\nadapter'): assert not says(page_of('# A', text), 'adapter'), text

def page_of(*cells):
    "A page out of texts; one that starts with `#|` or `def` is code"
    def cell(i, source):
        code = source.startswith(('#|', 'def ', 'x ='))
        directives = {l[2:].partition(':')[0].strip():'' for l in source.splitlines() if l.startswith('#|')}
        return SimpleNamespace(id=f'c{i}', cell_type='code' if code else 'markdown', source=source, directives=directives, outputs=[])
    return SimpleNamespace(name='x', module=None, nb=SimpleNamespace(cells=[cell(i, s) for i,s in enumerate(cells)]))

@pytest.mark.parametrize('rule,good,bad', [
    (budget, ['word '*most_words], ['word '*(most_words+1)]),
    (budget, ['x = 1\n'*most_code_lines], ['x = 1\n'*(most_code_lines+1)]),
    (budget, ['<details>'+'word '*9999+'</details>', '## Proof\n'+'word '*9999], ['<details>'+'word '*9999]),
    (nothing_in_the_way, ['## Proof', '#| proof\ndef test_x(): pass'], ['def test_x(): pass', '## Proof']),
    (proof_is_last, ['## A', '## Proof', '#| proof\nx = 1'], ['## Proof', '#| proof\nx = 1', '## A']),
    (proof_is_last, ['x = 1', '## Proof', '#| proof\nx = 1'], ['x = 1', '## Proof', 'x = 1']),
    (proof_is_last, ['x = 1', '## Proof'], ['#| proof\nx = 1', '## Proof']),
    (has_its_parts, ['## Summary', '## Exercises'], ['## Exercises']),
    (answers_are_folded, ['## Exercises\n**1.** Why?\n<details><summary>Hint</summary>a</details><details><summary>Solution</summary>b</details>'],
        ['## Exercises\n**1.** Why?\n<details><summary>Hint</summary>a</details>']),
    (answers_are_folded, ['## Exercises'], ['## Exercises\n**1.** Why?\n<details><summary>Hint</summary>a</details><details><summary>Solution</summary>b</details>\nAnswer: 3']),
    (nothing_leads_elsewhere, ['What comes next is hard.'], ['- Next: [this](a.ipynb)'])])
def test_a_breach_is_noticed(rule, good, bad):
    assert not list(rule(page_of(*good))) and list(rule(page_of(*bad)))

def test_minutes_are_those_of_what_is_seen():
    "Printed tables count, no cell more than a minute; imports and folded code do not"
    page = page_of('word '*words_a_minute, 'x = 1\n'*20)
    assert minutes(page)==2
    cell = page.nb.cells[1]
    cell.outputs = [dict(output_type='execute_result', data={'text/markdown':'| a | 1.5 |\n|---|---:|\n| b | −2 |', 'text/plain':'…'})]
    assert words_of_outputs(page)==4 and minutes(page)==3
    cell.outputs = [dict(output_type='stream', text='word '*999)]
    assert words_of_outputs(page)==words_a_minute
    cell.outputs = [dict(output_type='display_data', data={'image/png':'', 'text/plain':'a figure'})]
    assert words_of_outputs(page)==0
    cell.source,cell.outputs = 'import torch\nfrom torch import nn',[]
    assert line_count(page)==0 and minutes(page)==1
    cell.source,cell.directives = 'x = 1',{'code-fold':'true'}
    assert line_count(page)==0

def patched(tree):
    "Methods that code adds to a class, each with a dot before it"
    return {f'.{n.name}' for n in tree.body if isinstance(n, ast.FunctionDef) and any(ast.unparse(d).startswith('patch') for d in n.decorator_list)}

def reads_and_makes(code):
    "Names and methods that code needs from elsewhere, and those that it makes; a module's `forward` is needed by whatever calls it"
    tree,(read,own) = ast.parse(code),names_in(code)
    asked = {f'.{n.attr}' for n in ast.walk(tree) if isinstance(n, ast.Attribute)}|{'.forward'}
    return read|asked-patched(tree),own|patched(tree)

def copied_runs(page):
    "What a reader sees, and the solutions, name nothing that only a hidden or folded cell makes; imports are folded, and open"
    drawn,seen = set(),set()
    for c in before_proof(page):
        if c.cell_type!='code' or 'default_exp' in c.directives: continue
        read,own = reads_and_makes(code_of(c))
        drawer = 'hide' in c.directives or {'echo', 'code-fold'}&c.directives.keys() and not only_imports(tree_of(c))
        if drawer: drawn |= own
        else:
            if lost := sorted((read-seen)&drawn): yield f'cell {c.id}: reads {", ".join(lost)} of folded code'
            seen |= own
    for k,code in enumerate(solutions(page), 1):
        read,_ = reads_and_makes(code)
        if lost := sorted((read-seen)&drawn): yield f'solution {k}: reads {", ".join(lost)} of folded code'

copied = [p for p in pages() if p.is_lesson or p.chapter=='cusa']

@pytest.mark.parametrize('page', copied, ids=lambda p: p.name)
def test_what_is_copied_runs_without_what_is_folded(page): assert not list(copied_runs(page)), page.name

@pytest.mark.parametrize('cells,said', [
    (('x = 1', '#| echo: false\ny = x', 'x = 2\nprint(x)'), ''),
    (('#| echo: false\nfrom math import pi', 'x = pi'), ''),
    (('#| echo: false\ny = 1', 'def f(): return [y for _ in range(3)]'), 'cell c1: reads y'),
    (('#| hide\nhome = 1', 'x = home'), 'cell c1: reads home'),
    (('#| code-fold: true\ndef f(): return 1', 'x = f()'), 'cell c1: reads f'),
    (('#| code-fold: true\nfrom math import pi', 'x = pi'), ''),
    (('#| code-fold: true\n@patch\ndef look(self:A): return 1', 'x = A().look()'), 'cell c1: reads .look'),
    (('#| code-fold: true\n@patch\ndef forward(self:A): return 1', 'x = A()'), 'cell c1: reads .forward'),
    (('#| code-fold: true\n@patch\ndef extra_repr(self:A): return 1', 'x = A()'), ''),
    (('#| hide\nfrom math import pi', 'x = pi'), 'cell c1: reads pi'),
    (('#| echo: false\ny = 1', 'x = 1\ny = 2\nprint(y)'), ''),
    (('#| echo: false\ny = 1', '<details><summary>Solution</summary>\n```python\nassert y\n```\n</details>'), 'solution 1: reads y'),
    (('x = 1', '<details><summary>Solution</summary>\n```python\nassert x\n```\n</details>'), '')])
def test_what_leans_on_a_figure_is_noticed(cells, said):
    found = '; '.join(copied_runs(page_of(*cells)))
    assert said in found and bool(said)==bool(found)

# Reference pages of a module; those without one are guides and lists
of_modules = [p for p in pages() if p.name in listed('reference') and p.module]

def opening(page):
    "The first code that a reader sees: not hidden, not folded, not exported, more than imports"
    aside = {'hide', 'default_exp', 'echo', 'code-fold', 'file'}
    for c in before_proof(page):
        if c.cell_type!='code' or is_exported(c) or aside&c.directives.keys(): continue
        if code_of(c).strip() and not only_imports(tree_of(c)): return c

def runs_alone(page):
    "Copied into an empty file, the opening has all that it names, and it shows what comes out"
    cell = opening(page)
    if cell is None: return (yield 'no example that can be seen')
    if lost := sorted(names_in(code_of(cell))[0]-set(dir(builtins))): yield f'cell {cell.id}: imports or defines no {", ".join(lost)}'
    if not cell.outputs: yield f'cell {cell.id}: shows no output'

@pytest.mark.parametrize('page', of_modules, ids=lambda p: p.name)
def test_a_reference_page_opens_with_an_example(page): assert not list(runs_alone(page)), page.name

shown = [dict(output_type='stream', text='1')]

@pytest.mark.parametrize('source,outputs,said', [
    ('from math import pi\nprint(pi)', shown, ''),
    ('x = 1\ndef f(y): return [x+y+k for k in range(3)]\nprint(f(2))', shown, ''),
    ('x = torch.ones(2)\nx', shown, 'no torch'),
    ('def f(): return vocab\nx = 3', shown, 'no vocab'),
    ('x = 1\nlost = [k for k in elsewhere]', shown, 'no elsewhere'),
    ('x = 1\nprint(x)', [], 'no output'),
    ('#| hide\nx = 1', shown, 'no example'),
    ('import torch', shown, 'no example')])
def test_an_opening_that_does_not_run_is_noticed(source, outputs, said):
    page = page_of('# A page', source if source.startswith(('x =', '#|', 'def ')) else f'#| spread: 1\n{source}')
    page.nb.cells[1].outputs = outputs
    found = '; '.join(runs_alone(page))
    assert said in found and bool(said)==bool(found)

def offered(module):
    "What a page of the reference says below its title how to import"
    tree = ast.parse((package/f'{module.replace(".", "/")}.py').read_text(encoding='utf-8'))
    return set(next((ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id=='__all__'), []))

def brought(cell):
    "What a cell binds, star imports included"
    stars = [n.module for n in tree_of(cell).body if isinstance(n, ast.ImportFrom) and n.names[0].name=='*']
    return names_in(code_of(cell))[1].union(*(dir(importlib.import_module(m)) for m in stars))

def in_text(cell, known):
    "Python in a cell of text: what it lacks, a comment in it being enough for what the reader brings, and what it binds"
    lost,own = set(),set()
    for code in re.findall(r'^```python\n(.*?)^```', cell.source, re.M|re.S):
        read,binds = names_in(code)
        said = set(re.findall(r'\w+', ' '.join(re.findall(r'^# (.*)', code, re.M))))
        lost |= read-known-own-said
        own |= binds
    return lost,own

def cannot_be_copied(page, cells=None):
    """Code that stands open on a page of the reference and does not run after what stands before it

    Counted are imports, which are folded and say that they are needed, what the import below the title brings (a page that exports to
    the modules of others has none, and must import what it shows), and folded helpers that say that they are needed; what is private is not, and code that names it is folded."""
    cells,known = cells or before_proof(Page(page.path)),set(dir(builtins))|(offered(page.module) if page.module else set())
    for c in cells: c.directives_,c.parsed_ = getattr(c, 'directives', {}),lambda c=c: tree_of(c).body if c.cell_type=='code' else []
    needed = doc_procs.needed_by(cells)
    for c in cells:
        if c.cell_type=='markdown': lost,own = in_text(c, known)
        elif c.cell_type!='code' or c.directives_.keys()&{'proof', 'default_exp'}: continue
        else:
            lost,own = set(),brought(c)
            if doc_procs.is_open(c) and not doc_procs.is_inside(c): lost = names_in(code_of(c))[0]-known
            elif is_exported(c) and not doc_procs.is_imports(c): own = {n for n in own if n[0]=='.' or page.module and n[0]!='_'}
            elif c.directives_.keys()&{'hide', 'echo'} and not doc_procs.is_imports(c) and id(c) not in needed: own = set()
        if lost: yield f'cell {c.id}: nothing before it brings {", ".join(sorted(lost))}'
        known |= own

@pytest.mark.parametrize('page', [p for p in pages() if p.name in listed('reference')], ids=lambda p: p.name)
def test_what_stands_open_on_a_reference_page_can_be_copied(page): assert not list(cannot_be_copied(page)), page.name

@pytest.mark.parametrize('cells,said', [
    (('#| hide\nfrom math import *', 'x = pi', 'x+1'), ''),
    (('#| hide\ndef drawn(): return 2', 'drawn()'), ''),
    (('drawn()', '#| hide\ndef drawn(): return 2'), 'no drawn'),
    (('#| proof\ny = 2', 'y'), 'no y'),
    (('_inner(3)',), ''),
    (('# T\n\n```python\nrun(3)\n```\n',), 'no run'),
    (('# T\n\n```python\n# run: one of yours\nrun(3)\n```\n',), '')])
def test_code_that_cannot_be_copied_is_noticed(cells, said):
    page = page_of(*(c if c.startswith('#') else f'#| spread: 1\n{c}' for c in cells))
    found = '; '.join(cannot_be_copied(page, page.nb.cells)).replace('nothing before it brings', 'no')
    assert said in found and bool(said)==bool(found), found
