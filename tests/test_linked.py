"Linked reading: every row of nbs/linked.toml stands on its page where it says, and what does not is noticed"
import json,re
from types import SimpleNamespace

import pytest
from tools import linked
from tools.linked import data,Link,marked,occurrences,problems,tables,with_links
from tools.pages import pages

found = {p.name:p for p in pages()}

@pytest.mark.parametrize('name', tables())
def test_every_row_stands_where_it_says(name): assert not list(problems(found[name], tables()[name]))

text = r'''# Page
## Equation
$$a_n=\frac{b_n}{\sum_m b_m}+\hat b \tag{1}$$

Of $b_n$, and so on.

| symbol | code | shape | meaning |
|---|---|---|---|
| $a_n$ | `a` | `(n)` | share of $b$ |
| $b_n$ | `b` | `(n)` | what is shared |

| other | what |
|---|---|
| $c$ | no symbol |
## Code
First.'''
hand = r'''**By hand.** With $b=(1,3)$ the sum is $1+3=4$, so $a$ is 0.25 and 0.75, *four* parts.

<details><summary>Hint</summary>

Folded 7.
</details>'''

def page_of(*cells):
    "A lesson out of texts; one that starts with `#|` or `def` is code"
    def cell(source):
        marks = {l[2:].partition(':')[0].strip():'' for l in source.splitlines() if l.startswith('#|')}
        return SimpleNamespace(cell_type='code' if source.startswith(('#|', 'def ', 'import ')) else 'markdown', source=source, directives=marks)
    return SimpleNamespace(name='x', is_lesson=True, nb=SimpleNamespace(cells=list(map(cell, cells))))

page = page_of(text, 'import b', '#| code-fold: true\ndef check(b): return None', 'def share(b):\n    total = b.sum()\n    return b/total', hand,
    '## What it does', 'def more(b): return b*2', '## Exercises\n\nFive.', 'def other(b): return b*3', '## Proof', '#| proof\ndef test_a(): pass')
links = [Link(['a_n'], ['b/total'], '$a_n$', ['so $a$ is 0.25', '0.75']), Link(['b_n', 'b_m'], ['share(b)'], '$b_n$', ['b=(1,3)']),
    Link([r'\frac{b_n}{\sum_m b_m}'], ['return b/total', 'return b*2'], '$a_n$'), Link([r'\sum_m b_m'], ['b.sum()'], hand=['1+3=4'])]

def test_a_table_that_fits(): assert not list(problems(page, links))

@pytest.mark.parametrize('link,said', [
    (Link(['a_m'], ['b/total']), 'no equation has the term a_m'), (Link([r'\su'], ['b/total']), 'no equation has the term'),
    (Link(['b'], ['b/total']), 'no equation has the term b'), (Link(['a'], ['b/total']), 'no equation has the term a'),
    (Link(['a_n', 'c'], ['b/total']), 'no equation has the term c'), (Link(['a_n'], ['b/totals']), '0 times'), (Link(['a_n'], ['b']), ' times, in one line: b'),
    (Link(['a_n'], ['b.sum()\n    return b/total']), 'in one line'), (Link(['a_n'], ['import b']), '0 times'), (Link(['a_n'], ['check(b)']), '0 times'),
    (Link(['a_n'], ['return b*3']), '0 times'), (Link(['a_n'], ['test_a']), '0 times'),
    (Link(['a_n'], ['b/total'], '$a$'), 'no row $a$'), (Link(['a_n'], ['b/total'], '$c$'), 'no row $c$'),
    (Link(['a_n'], ['b/total'], hand=['0.5']), '0 times: 0.5'), (Link(['a_n'], ['b/total'], hand=['0.']), '2 times: 0.'),
    (Link(['a_n'], ['b/total'], hand=['Folded 7']), '0 times'), (Link(['a_n'], ['b/total'], hand=['Five']), '0 times'),
    (Link(['a_n'], ['b/total'], hand=['*four* parts']), 'holds marks'), (Link(['a_n'], ['b/total'], hand=['3)$ the sum']), 'cuts a formula'),
    (Link([r'=\frac{b_n}{\sum_m b_m}', r'a_n='], ['b/total']), 'these cross: a_n= and'), (Link(['a_n'], ['total = b.sum()'], hand=['0.25 and 0.75']), 'these cross: so $a$ is 0.25 and 0.25 and 0.75'),
    (Link(['a_n'], ['(b):'], ''), 'these cross: share(b) and (b):')])
def test_a_row_that_does_not_fit_is_noticed(link, said):
    wrong = list(problems(page, [*links, link]))
    assert any(said in w for w in wrong), wrong

def test_a_table_of_another_size_or_of_another_page_is_noticed():
    assert list(problems(page, links[:2]))==['2 links, of 3 to 8']
    assert list(problems(page, links*3))[0]=='12 links, of 3 to 8'
    assert 'is no lesson' in list(problems(SimpleNamespace(**vars(page) | dict(is_lesson=False)), links))

def test_a_term_is_whole_commands_and_a_whole_symbol():
    at = lambda term,tex: [tex[a:b] for a,b in occurrences(term, tex)]
    assert at('c', r"\cos c+\hat c+\hat{c}+c_i+c^2+c'+\tilde  c+c")==['c', 'c']
    assert at(r'\tau', r'\tau+\tau_q+S/\tau')==[r'\tau', r'\tau'] and not at(r'\ne', r'\neq') and at('W', r'\min_W W')==['W', 'W']

def test_marks_lie_in_each_other_and_leave_indices_whole():
    assert marked('a+b', {(0, 1):'0', (0, 3):'1'})==r'\htmlData{linked=1}{\htmlData{linked=0}{a}+b}'
    assert marked(r'\min_W x', {(5, 6):'2 3'})==r'\min_{\htmlData{linked=2 3}{W}} x' and marked('ab', {(0, 1):'0', (1, 2):'1'})==r'\htmlData{linked=0}{a}\htmlData{linked=1}{b}'
    bare = lambda t: re.sub(r'\\htmlData\{linked=[\d ]+\}|[{}]', '', t)
    for name,its in tables().items():
        for tex,marks in data(found[name], its)['tex'].items(): assert marks.count('{')==marks.count('}') and bare(marks)==bare(tex)!=marks

def test_what_the_script_gets():
    its = data(page, links)
    assert its['tex']['b=(1,3)']==r'\htmlData{linked=1}{b=(1,3)}' and its['tex']['1+3=4']==r'\htmlData{linked=3}{1+3=4}' and len(its['tex'])==3
    assert its['code'][0]==['return b/total', '2'] and ['b/total', '0'] in its['code'] and its['row']==[[r'\(a_n\)', '0 2'], [r'\(b_n\)', '1']]
    assert its['hand']==[[r'so \(a\) is 0.25', '0'], ['0.75', '0']]
    assert its['said'][0]=='share of b. Code: b/total. By hand: so a is 0.25, 0.75' and its['said'][3]=='A part of the equation. Code: b.sum(). By hand: 1+3=4'

def test_a_page_gets_its_links_and_no_other_does(monkeypatch):
    html = '<head><script src="../site_libs/smalldocs.js" defer></script></head><main>x</main>'
    monkeypatch.setattr(linked, 'tables', lambda: {'x':links})
    got = with_links(html, page)
    known = re.search(r'<script type="application/json" id="linked">(.*?)</script><script src="../site_libs/linked.js" defer></script><script src="../site_libs/smalldocs', got)
    assert json.loads(known[1])==data(page, links) and with_links(html, SimpleNamespace(name='y'))==html
    monkeypatch.setattr(linked, 'tables', lambda: {'x':links[:1]})
    with pytest.raises(ValueError, match='nbs/linked.toml, x: .*1 links'): with_links(html, page)
