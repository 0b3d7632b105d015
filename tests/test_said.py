"""What a paper's page says in words is what its data say

1. A verdict stands beside the name of its claim, in bold as in the table, and is one that the claim has.
2. Every "x ± y" is a gain with its interval, or a mean with its standard deviation, of the data: claims, results, boards, published.
3. No page writes a verdict by hand in its code, and every claim of a paper stands in a table of its page."""
import re,tomllib
from statistics import mean,stdev

import pytest
from common import root
from itr_nb.claims import METRICS,claimed_papers,claims
from itr_nb.shelf import published
from tools.course import before_proof,folded
from tools.pages import pages

package = root/'itr_nb'
found = {p.chapter:p for p in pages() if p.path.stem.endswith('_paper') and p.chapter!='reference'}
verdicts = r'not told apart|told apart from|supported|contradicted|needs? data'
measures = {*METRICS, *(f'{way}_r{k}' for way in ('i2t','t2i') for k in (1,5,10)), 'i2t_map_at_r', 'by_text', 'by_image', 'all_four', 'i2t_r1_alone', 't2i_r1_alone'}

def prose(page):
    "Its words up to the exercises; answers are examples, and run on their own"
    texts = []
    for c in before_proof(page):
        if c.cell_type!='markdown': continue
        if c.source.startswith('## Exercises'): break
        texts.append(folded.sub('', c.source))
    return '\n\n'.join(texts)

def paragraphs(text): return [p for p in re.split(r'\n\s*\n|\n(?=- )', text) if p.strip()]

def sentences(paragraph): return re.split(r'(?<=[.:;])\s+(?=[A-Z*])', paragraph)

def word_of(said):
    "A verdict as the data have it"
    return 'needs data' if 'data' in said else 'not told apart' if 'apart' in said else said

def wrong_verdicts(text, some):
    "Verdicts without a claim, and those that the claim named last does not have; words in italics are being defined"
    by_id = {c.id:set(c.verdicts) for c in some.claims}
    for paragraph in paragraphs(text):
        named = []
        for s in sentences(paragraph):
            named = [i for i in re.findall(r'\*\*(\w+)\*\*', s) if i in by_id] or named
            plain = re.sub(rf'(?<!\*)\*({verdicts})\*(?!\*)', '', s, flags=re.I)
            for said in re.findall(verdicts, plain, re.I):
                if not named: yield f'a verdict without its claim: {s!r}'
                elif not any(word_of(said.lower()) in by_id[i] for i in named): yield f'{named} have {[by_id[i] for i in named]}: {s!r}'

def groups(rows):
    "Values of one setting, a list of seeds for each measure"
    by = {}
    for r in rows:
        key = tuple((k, repr(v)) for k,v in r.items() if k not in measures and k not in ('seed','by_ask','trained','parameters'))
        for k in measures&r.keys(): by.setdefault((key, k), []).extend(r[k] if isinstance(r[k], list) else [r[k]])
    return [x for x in by.values() if len(x)>1 and all(isinstance(v, int|float) for v in x)]

def spreads():
    "Every (mean, what stands behind ±) that the data have"
    for paper in claimed_papers():
        for t in claims(paper).trials:
            yield from ((e.mean, e.half) for e in t.effects.values() if e.half is not None)
        for row in published(paper): yield from ((row[k], row[f'{k}_sd']) for k in row if f'{k}_sd' in row)
    for file in (*package.glob('*/results.toml'), package/'twins.toml'):
        for rows in tomllib.loads(file.read_text(encoding='utf-8')).values():
            if isinstance(rows, list) and isinstance(rows[0], dict): yield from ((mean(x), stdev(x)) for x in groups(rows))

known = [*spreads()]

def wrong_spreads(text, known=known):
    "Pairs x ± y that no data have, at the digits in which they are written"
    for x,y in re.findall(r'([+−-]?\d+(?:\.\d+)?)\s*(?:±|\\pm)\s*(\d+(?:\.\d+)?)(?!\d*\.?\d*\s*\\cdot)', text):
        a,b = float(x.replace('−', '-')),float(y)
        da,db = (len(s.partition('.')[2]) for s in (x,y))
        near = lambda one,other,d: abs(one-other)<=.5*10**-d+1e-6
        if not any(near(a, m, da) and near(b, s, db) for m,s in known): yield f'{x} ± {y}'

def by_hand(page):
    "Cells that write a verdict in code before the proof"
    for c in before_proof(page):
        if c.cell_type=='code' and re.search(rf'[\'"]({verdicts}|gain|loss)[\'"]', c.source): yield c.id

def missing(page, some):
    "Claims that no table of the page shows"
    shown = ''.join(''.join(o.get('data', {}).get('text/markdown', '')) for c in before_proof(page) if c.cell_type=='code' for o in c.outputs)
    return [c.id for c in some.claims if f'**{c.id}**: {c.says}' not in shown]

@pytest.mark.parametrize('paper', claimed_papers())
def test_a_page_says_what_its_data_say(paper):
    text,some = prose(found[paper]),claims(paper)
    assert not [*wrong_verdicts(text, some)]
    assert not [*wrong_spreads(text)]
    assert not [*by_hand(found[paper])]
    assert not missing(found[paper], some)

def test_every_paper_has_claims(): assert sorted(found)==claimed_papers()

@pytest.mark.parametrize('good,bad', [
    ('**modules** is not told apart.', '**modules** is supported.'),
    ('**words** is contradicted for SGR.', '**modules** is contradicted.'),
    ('**width** needs data. **modules** is not told apart.', '**width** needs data. It is not told apart.'),
    ('What is *supported* lies above zero.', 'What is supported lies above zero.'),
    ('**modules** is not told apart from it.', 'SAF is told apart from it.'),
    ('- **words** is contradicted.\n- **apart** is not told apart.', '- **words** is contradicted.\n- It is not told apart.')])
def test_a_wrong_verdict_is_noticed(good, bad):
    some = claims('sgraf')
    assert not [*wrong_verdicts(good, some)] and [*wrong_verdicts(bad, some)]

@pytest.mark.parametrize('good,bad', [
    ('367.0 ± 13.3', '367.1 ± 13.3'), ('SAF, $367.0\\pm13.3$', 'SAF, $367.0\\pm13.2$'), ('489.3 ± 4.9', '489.3 ± 5.9'), ('367 ± 13', '368 ± 13'),
    ('93.4 ± 53.7', '−93.4 ± 53.7'), ('$6.1\\pm18.40\\cdot6.124/\\sqrt3$', '6.1 ± 18.40')])
def test_a_wrong_number_is_noticed(good, bad): assert not [*wrong_spreads(good)] and [*wrong_spreads(bad)]

def test_what_a_page_leaves_away_is_noticed():
    from types import SimpleNamespace
    page = found['sgraf']
    cells = [c for c in page.nb.cells if 'claims(' not in c.source or c.cell_type!='code']
    bare = SimpleNamespace(nb=SimpleNamespace(cells=cells))
    assert missing(bare, claims('sgraf')) and not missing(page, claims('sgraf'))
    hand = SimpleNamespace(cell_type='code', id='x', source="said = 'supported' if mean>half else 'loss'", outputs=[])
    assert [*by_hand(SimpleNamespace(nb=SimpleNamespace(cells=[hand])))]==['x']
