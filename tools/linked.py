"""Linked reading: what belongs together on a lesson, from nbs/linked.toml, put into its page for tools/linked.js to light up

A link is a term of an equation with the code that it is, its row in the table of symbols and its number in the example worked by
hand. The page gets all that as data beside the script: without the script it reads as if there were none."""
import json,re,tomllib
from dataclasses import dataclass,field
from functools import cache
from itertools import combinations

from tools.pages import nbs,only_imports,tree_of

fewest,most = 3,8 # Links a lesson

@dataclass
class Link:
    terms:list[str] # TeX, as the displayed equations have it; every place counts
    code:list[str] # Each stands in one line, and once in the code that the lesson shows
    row:str = '' # First cell of its row in the table of symbols
    hand:list[str] = field(default_factory=list) # Each stands once in the text between the code

@cache
def tables():
    "Name of a page → its links"
    found = tomllib.loads((nbs/'linked.toml').read_text(encoding='utf-8'))
    return {name:[Link(**row) for row in table['link']] for name,table in found.items()}

formula = re.compile(r'\$\$(.+?)\$\$|\$([^$\n]+)\$', re.S)

def is_shown(cell):
    "Does a cell's code stand open on the site?"
    return not cell.directives.keys()&{'hide', 'proof', 'echo', 'code-fold', 'default_exp'} and not only_imports(tree_of(cell))

def text_of(page, kind, *sections):
    "What a page shows in some sections: its 'code', or its 'markdown' without what is folded"
    section,found = '',[]
    for c in page.nb.cells:
        shown = re.sub(r'<details>.*?</details>', '', c.source, flags=re.S) if c.cell_type=='markdown' else c.source
        pieces = re.split(r'^(?=## )', shown, flags=re.M) if c.cell_type=='markdown' else [shown]*is_shown(c)
        for piece in pieces:
            if piece.startswith('## ') and c.cell_type=='markdown': section = piece.splitlines()[0][3:]
            if (c.cell_type,section) in {(kind,s) for s in sections}: found.append(piece)
    return '\n'.join(found)

def equations(page): return [m[1].strip() for m in formula.finditer(text_of(page, 'markdown', 'Equation')) if m[1]]
def code_of(page): return text_of(page, 'code', 'Code', 'What it does')
def by_hand(page): return text_of(page, 'markdown', 'Code')

def symbols(page):
    "First cell → last cell, what it means, of each row of the table of symbols"
    table = re.search(r'^\| symbol \|.*\n\|[-| :]+\n((?:\|.*\n?)*)', text_of(page, 'markdown', 'Equation'), re.M)
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in (table[1] if table else '').splitlines()]
    return {first:rest[-1] for first,*rest in rows}

def occurrences(term, tex):
    "Spans where a term stands in TeX, in whole commands; an accent before it, or an index after it, makes another symbol"
    tokens = [re.findall(r'\\[a-zA-Z]+|\\.|.', t, re.S) for t in (tex, term)]
    its,at = tokens[1],0
    for i,token in enumerate(tokens[0]):
        span = at,at+len(term)
        other = re.search(r'\\(hat|tilde|bar)[\s{]*$', tex[:at]) or re.match(r"\s*[_^']", tex[span[1]:])
        if tokens[0][i:i+len(its)]==its and not other: yield span
        at += len(token)

def marked(tex, spans):
    "TeX in which KaTeX's `\\htmlData` holds each span → ids; of two spans that meet one lies in the other"
    edges = []
    for (start,end),ids in spans.items():
        braces = '{}' if tex[:start].rstrip()[-1:] in ('_', '^') else ('', '')
        edges += [(start, 1, -end, f'{braces[0]}\\htmlData{{linked={ids}}}{{'), (end, 0, -start, f'}}{braces[1]}')]
    cuts = [0, *(e[0] for e in sorted(edges)), len(tex)]
    marks = ['', *(e[3] for e in sorted(edges))]
    return ''.join(mark+tex[a:b] for mark,a,b in zip(marks, cuts, cuts[1:]))

def spans_of_terms(tex, links):
    "Span → ids of the links that have a term there"
    found = {}
    for i,link in enumerate(links):
        for span in (s for term in link.terms for s in occurrences(term, tex)): found.setdefault(span, []).append(str(i))
    return {span:' '.join(dict.fromkeys(ids)) for span,ids in found.items()}

def formula_around(hand, text):
    "The formula in the line that a piece of text lies in, None if it lies in none or holds whole ones"
    at = text.find(hand)
    return next((m for m in formula.finditer(text) if m[2] and m.start(2)<=at and at+len(hand)<=m.end(2)), None)

def hands_in_formulas(links, text):
    "TeX of a formula in the line → span → ids of the links whose example it holds"
    found = {}
    for i,link in enumerate(links):
        for hand in link.hand:
            if m := formula_around(hand, text):
                start = text.find(hand)-m.start(2)
                found.setdefault(m[2], {}).setdefault((start, start+len(hand)), []).append(str(i))
    return {tex:{span:' '.join(ids) for span,ids in spans.items()} for tex,spans in found.items()}

def crossing(spans): return [(a, b) for a,b in combinations(sorted(spans), 2) if a[0]<b[0]<a[1]<b[1]]

def problems(page, links):
    "What of a lesson's table does not stand on its page where the table says"
    tex,code,text,rows = equations(page),code_of(page),by_hand(page),symbols(page)
    if not page.is_lesson: yield 'is no lesson'
    if not fewest<=len(links)<=most: yield f'{len(links)} links, of {fewest} to {most}'
    for link in links:
        for term in link.terms:
            if not any(list(occurrences(term, t)) for t in tex): yield f'no equation has the term {term}'
        for words in link.code:
            if '\n' in words or code.count(words)!=1: yield f'the code shown has {code.count(words)} times, in one line: {words}'
        if link.row and link.row not in rows: yield f'the table of symbols has no row {link.row}'
        for hand in link.hand:
            if text.count(hand)!=1: yield f'the text between the code has {text.count(hand)} times: {hand}'
            elif not formula_around(hand, text) and re.search(r'[$*`\[\]\n]', formula.sub('', hand)): yield f'cuts a formula, or holds marks: {hand}'
    inside = [(t, [(t.find(w), t.find(w)+len(w)) for w in words]) for t,words in
        ((code, [w for link in links for w in link.code]), (text, [h for link in links for h in link.hand]))]
    for t,spans in [*((t, spans_of_terms(t, links)) for t in tex), *inside]:
        for a,b in crossing(spans): yield f'these cross: {t[slice(*a)]} and {t[slice(*b)]}'

def grouped(pairs):
    "[words, ids] of pairs of words and an id, the longest first, so that what lies in another is marked after it"
    found = {}
    for words,i in pairs: found.setdefault(words, []).append(str(i))
    return sorted(([words, ' '.join(ids)] for words,ids in found.items()), key=lambda p: -len(p[0]))

def on_page(text):
    "Markdown's formulas in the line as the page has them before they are drawn"
    return re.sub(r'\$([^$\n]+)\$', r'\\(\1\\)', text)

def said(link, rows):
    "A link in words"
    of = lambda name,texts: f'{name}: {", ".join(texts)}' if texts else ''
    words = '. '.join(filter(None, [rows.get(link.row) or 'A part of the equation', of('Code', link.code), of('By hand', link.hand)]))
    return re.sub(r'\]\([^)]*\)|[$*`\\]', '', words)

def data(page, links):
    "What the script needs of a lesson's links"
    text = by_hand(page)
    tex = {t:spans for t in equations(page) if (spans := spans_of_terms(t, links))} | hands_in_formulas(links, text)
    return dict(tex={t:marked(t, spans) for t,spans in tex.items()}, said=[said(link, symbols(page)) for link in links],
        code=grouped((words, i) for i,link in enumerate(links) for words in link.code),
        hand=grouped((on_page(h), i) for i,link in enumerate(links) for h in link.hand if not formula_around(h, text)),
        row=grouped((on_page(link.row), i) for i,link in enumerate(links) if link.row))

def with_links(html, page):
    "A page's HTML with its links and their script, before the script that draws the formulas; ValueError for a table that does not fit"
    links = tables().get(page.name)
    if not links: return html
    if wrong := list(problems(page, links)): raise ValueError(f'nbs/linked.toml, {page.name}: {wrong}')
    known = json.dumps(data(page, links), ensure_ascii=False).replace('<', r'\u003c')
    drawing = re.search(r'<script src="([^"]*/)smalldocs\.js" defer></script>', html)
    mine = f'<script type="application/json" id="linked">{known}</script><script src="{drawing[1]}linked.js" defer></script>'
    return html[:drawing.start()]+mine+html[drawing.start():]
