"""Build the site into _docs from the notebooks, without Quarto; what it writes needs no network to be read

nbdev processes the notebooks into _proc, as it would for Quarto, and smalldocs renders them with the same _quarto.yml. What smalldocs
does differently is mended here: pages get the names that nbdev gives them (00_core.ipynb → core.html), links to the hosted pages become
links within the site, KaTeX lies beside the pages, no font comes from elsewhere, figures stand in their true size, and the search
looks for words, in titles and headings first."""
import argparse,ast,base64,html,json,os,re,shutil,struct,sys,tempfile,tomllib
from functools import cache
from pathlib import Path

root = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(root))

from fastcore.nbio import read_nb,write_nb
from smalldocs import layout,site
from smalldocs.config import load

from tools import katex
from tools.linked import with_links
from tools.pages import pages,tree_of

# What smalldocs says about settings that are Quarto's alone, and about `output-file`, which Site heeds
expected = re.compile(r'unknown key format-links|format commonmark|format\.html\.(html-math-method|keep-md|grid)|output-file is not read')

class Site(site.Site):
    "A smalldocs site that heeds nbdev's `output-file`"
    def read(self, src):
        page = super().read(src)
        if name:=page.meta.get('output-file'): page.out = src.with_name(name)
        return page

    def find_page(self, target):
        return super().find_page(target) or next((p for p in self.pages.values() if p.out==target), None)

def process():
    "nbdev's processed notebooks in _proc; the folder"
    import nbdev.doclinks
    from nbdev.config import get_config
    from nbdev.quarto import refresh_quarto_yml
    from nbdev.serve import proc_nbs
    os.chdir(root)
    shutil.rmtree(root/'_proc', ignore_errors=True)
    refresh_quarto_yml()
    nbdev.doclinks._build_modidx()
    return proc_nbs(n_workers=0),get_config().doc_url

def make_links_local(folder, url):
    "Turn links to the hosted pages into links from the site's root, which smalldocs makes relative"
    for path in folder.rglob('*.ipynb'):
        nb = read_nb(path)
        for cell in nb.cells:
            if cell.cell_type=='markdown': cell.source = cell.source.replace(f']({url}', '](/')
            for o in cell.get('outputs', []):
                md = o.get('data', {}).get('text/markdown')
                if md: o['data']['text/markdown'] = ''.join(md).replace(f']({url}', '](/')
        write_nb(nb, path)

def true_size(img):
    "An `<img>` tag whose PNG says how many dots it has an inch, as wide as that asks for at 96 pixels an inch"
    head = base64.b64decode(img[1])
    at = head.find(b'pHYs')
    if at<0: return img[0]
    dots,unit = struct.unpack('>I4xB', head[at+4:at+13])
    inches = struct.unpack('>I', head[16:20])[0]/(dots*.0254)
    return img[0].replace('<img ', f'<img width="{inches*96:.0f}" ') if unit==1 else img[0]

def end_of_section(text, start):
    "Where the section that opens at `start` closes"
    depth = 0
    for tag in re.finditer(r'<section\b|</section>', text[start:]):
        depth += 1 if tag[0]!='</section>' else -1
        if not depth: return start+tag.start()

def drawer(text, checks):
    "A page's HTML with its proof folded away under a line that counts its checks"
    opens = re.search(r'<section id="proof"[^>]*>\s*<h2\b.*?</h2>', text, re.S)
    if not opens: return text
    ends = end_of_section(text, opens.start())
    section = re.match(r'<section[^>]*>', opens[0])[0]
    said = f'Proof: {checks} check{"s"*(checks!=1)}' if checks else 'Proof'
    return f'{text[:opens.start()]}{section}<details class="proof"><summary>{said}</summary>{text[opens.end():ends]}</details>{text[ends:]}'

def say_figures(text):
    "A page's HTML in which a picture that cells drew is said by the paragraph or item before it: by what it says of a figure, else its end"
    def said(m):
        before = re.findall(r'<(?:p|li)>(?!<a href="[^"]*"[^>]*>source</a>)(.*?)</(?:p|li)>', m.string[max(0, m.start()-20_000):m.start()], re.S)
        plain = ' '.join(html.unescape(re.sub(r'<[^>]+>', ' ', before[-1] if before else '')).split())
        sentences = re.split(r'(?<=[.:?!]) (?=[A-Z])', plain)
        sentence = next((s for s in sentences if re.search(r'\bfigure\b', s, re.I)), sentences[-1])
        return f'<img alt="{html.escape("Figure: "+sentence if sentence else "Figure")}" {m[1]}'
    return re.sub(r'<img ((?:width="\d+" )?src="data:image/)', said, text)

def outside_functions(nodes):
    "Nodes of code that are not part of a function or class"
    for n in nodes:
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)): continue
        yield n
        yield from outside_functions(ast.iter_child_nodes(n))

def checks_of(page):
    "How many checks a page has: its test functions, and what its proof asks outside of functions"
    trees = [tree_of(c) for c in page.code if 'proof' in c.directives]
    own = {n.name for t in trees for n in ast.walk(t) if isinstance(n, ast.FunctionDef)}
    def asks(n):
        name = getattr(getattr(n, 'func', None), 'id', '')
        return isinstance(n, ast.Assert) or name not in own and (name.startswith('test_') or name=='expect_fail')
    functions = sum(len(re.findall(r'^def test_', c.source, re.M)) for c in page.code)
    return functions+sum(asks(n) for t in trees for n in outside_functions(t.body))

def take_along(text, page, repository):
    "A page's HTML with links to its notebook, to be downloaded or opened in Colab, below its first line"
    colab = repository.replace('https://github.com', 'https://colab.research.google.com/github')
    links = f'<p class="take-along"><a href="{page.path.name}" download>Notebook</a> · <a href="{colab}/blob/main/nbs/{page.name}">Open in Colab</a></p>'
    return re.sub(r'(<p><em>[^<]*, lesson \d+ of \d+.*?</p>)', lambda m: m[1]+links, text, count=1, flags=re.S)

@cache
def glossary():
    "Term → its entry; none without itr_nb/glossary.toml"
    path = root/'itr_nb'/'glossary.toml'
    entries = tomllib.loads(path.read_text(encoding='utf-8'))['entry'] if path.exists() else []
    return {e['term'].lower():e for e in entries}

opaque = re.compile(r'<(a|code|script|span class="math)\b')

def link_terms(text, home):
    """A page's HTML whose first use of each term of the glossary, in a paragraph, leads to it and says it in a sentence

    A term that is also a plain word has `only`, a pattern of what must stand around it."""
    left = dict(glossary())
    def meant(entry, m): return re.search(entry.get('only', ''), m.string[max(0, m.start()-12):m.end()+12])
    def link(m):
        entry = left.get(term := m[1].lower().replace('’', "'"))
        if entry is None or not meant(entry, m): return m[0]
        del left[term]
        return f'<a class="term" href="{home}" title="{html.escape(entry["sentence"])}">{m[0]}</a>'
    def paragraph(m):
        parts,inside = re.split(r'(<[^>]+>)', m[0]),[]
        for i,part in enumerate(parts):
            if part.startswith('</'): inside = inside[:-1]
            elif re.match(r'<(br|img|input|hr)\b', part): continue
            elif part.startswith('<'): inside.append(bool(opaque.match(part)))
            elif part and left and not any(inside):
                names = '|'.join(map(re.escape, sorted(left, key=len, reverse=True))).replace("'", "['’]")
                parts[i] = re.sub(rf'(?<![\w-])({names})s?(?![\w-])', link, part, flags=re.I)
        return ''.join(parts)
    return re.sub(r'<p>.*?</p>', paragraph, text, flags=re.S) if left else text

def finish(out):
    "Fold the proofs, link the glossary's terms and the parts of equations, and lay each notebook beside its page"
    shutil.copy(root/'tools'/'linked.js', out/'site_libs')
    from nbdev.config import get_config,nbpath2html
    for page in pages():
        path = out/nbpath2html(page.name)
        text = drawer(path.read_text(encoding='utf-8'), checks_of(page))
        terms = '../'*(len(path.relative_to(out).parts)-1)+'start/how_to_read.html#glossary'
        if page.path.stem!='03_how_to_read': text = link_terms(text, terms)
        text = with_links(say_figures(text), page)
        path.write_text(take_along(text, page, get_config().git_url), encoding='utf-8')
        shutil.copy(page.path, path.parent/page.path.name)

def to_be_found(entries):
    "Entries of the search, one a section, without references and proofs; a proof is the last part of its page"
    out,proven = [],set()
    for e in entries:
        page,_,place = e['href'].partition('#')
        if place=='proof': proven.add(page)
        if page not in proven and place!='references': out.append(e)
    return out

def by_words(script):
    "smalldocs' script with the search of tools/search.js, which goes by words, in place of one by likeness of letters"
    old,new = 'const hits = fuse ? fuse.search(q, { limit }).map((h) => h.item)','const hits = window.Fuse ? searchSite(index, q).slice(0, limit)'
    if script.count(old)!=1: raise ValueError('smalldocs.js: its search is another one; see by_words in tools/build_docs.py')
    return (root/'tools'/'search.js').read_text(encoding='utf-8')+script.replace(old, new)

def mend_search(out):
    "Leave out of the search what nobody looks for, and order what it finds by words"
    entries = json.loads((out/'search.json').read_text(encoding='utf-8'))
    (out/'search.json').write_text(json.dumps(to_be_found(entries), ensure_ascii=False), encoding='utf-8')
    for script in out.rglob('smalldocs.js'): script.write_text(by_words(script.read_text(encoding='utf-8')), encoding='utf-8')

def render(folder, out):
    "Render processed notebooks into `out`; what smalldocs warns of, broken links above all"
    layout.KATEX = 'KATEX' # replaced below by a path relative to the page
    s = Site(load(folder), quiet=True)
    s.out = out
    s.build()
    katex.unpack(out/'site_libs'/'katex')
    for page in out.rglob('*.html'):
        up = '../'*(len(page.relative_to(out).parts)-1)
        text = re.sub(r'(href|src)="KATEX/', rf'\1="{up}site_libs/katex/', page.read_text(encoding='utf-8'))
        page.write_text(re.sub(r'<img src="data:image/png;base64,([A-Za-z0-9+/]{400})', true_size, text), encoding='utf-8')
    finish(out)
    mend_search(out)
    for css in (out/'site_libs').rglob('*.css'):
        css.write_text(re.sub(r'@import url\(https?:[^)]*\);?', '', css.read_text(encoding='utf-8')), encoding='utf-8')
    return [w for w in s.warnings if not expected.search(w)]

def build(out):
    "Build the whole site and only then put it in the place of the last one; the warnings"
    folder,url = process()
    make_links_local(folder, url)
    with tempfile.TemporaryDirectory(dir=root) as tmp:
        warnings = render(folder, Path(tmp)/'site')
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(Path(tmp)/'site', out)
    shutil.rmtree(folder)
    return warnings

if __name__=='__main__':
    args = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    args.add_argument('--out', type=Path, default=root/'_docs', help='where the site goes')
    args = args.parse_args()
    for w in build(args.out.absolute()): print(f'warning: {w}')
    print(f'{len(list(args.out.rglob("*.html")))} pages in {args.out}')
