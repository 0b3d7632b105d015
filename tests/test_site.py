"The site, built from a copy of the project and opened in Chromium: nothing missing, equations drawn, search finds pages"
import functools,html,http.server,json,os,re,shutil,subprocess,sys,threading

import pytest
from common import root
from fastcore.basics import chunked
from tools import browser
from tools.linked import tables
from tools.pages import pages

pytestmark = pytest.mark.xdist_group('site') # one process shares what is built

@pytest.fixture(scope='module')
def built(tmp_path_factory):
    "Folder of the site, and what the build said"
    copy = tmp_path_factory.mktemp('site')/'project'
    shutil.copytree(root, copy, symlinks=True, ignore=shutil.ignore_patterns('.*', '_docs', '_proc', 'tests', 'runs', 'scratch', '*.egg-info', '__pycache__'))
    env = {**os.environ, 'OMP_NUM_THREADS':'1', 'HF_HUB_OFFLINE':'1'}
    done = subprocess.run([sys.executable, 'tools/build_docs.py'], cwd=copy, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode==0, done.stdout
    return copy/'_docs',done.stdout

def test_build_warns_of_nothing(built):
    assert 'warning' not in built[1], built[1]

def test_every_page_has_the_name_that_nbdev_gives_it(built):
    from nbdev.config import nbpath2html
    assert {p.relative_to(built[0]).as_posix() for p in built[0].rglob('*.html')}=={str(nbpath2html(p.name)) for p in pages()}

def test_nothing_comes_from_elsewhere(built):
    for path in [*built[0].rglob('*.html'), *(built[0]/'site_libs').rglob('*.css')]:
        loads = re.findall(r'<(?:script|img|iframe)[^>]* src="(https?:[^"]+)|<link[^>]* href="(https?:[^"]+)|url\(["\']?(https?:[^)]+)', path.read_text(encoding='utf-8'))
        assert not loads, f'{path.name} loads {loads[:3]}'

def test_exported_code_is_shown(built):
    page = next(p for p in pages() if p.module=='losses.triplet')
    text = re.sub(r'<[^>]+>', '', (built[0]/'road'/'triplet.html').read_text(encoding='utf-8'))
    assert page.source.exists() and 'class TripletLoss(Loss):' in text

def openings(page):
    "The first plain words of each text, and the first line of each code, that a reader of the site must find"
    for c in page.nb.cells:
        if c.id=='lesson-setup' or 'default_exp' in c.directives: continue
        if page.path.stem=='index' and c.cell_type=='code': continue # The home page shows what code gives
        if c.cell_type=='code': yield next((l.strip() for l in c.source.splitlines() if l.strip() and not l.startswith(('#|', '%'))), '')
        elif words:=re.search(r'[A-Za-z][A-Za-z ,]{20,}[a-z]', re.sub(r'```.*?```', '', c.source, flags=re.S)): yield words[0]

def test_nothing_of_a_page_is_lost(built):
    from nbdev.config import nbpath2html
    plain = lambda text: ' '.join(html.unescape(re.sub(r'<[^>]+>', '', text)).split())
    for page in pages():
        text = plain((built[0]/nbpath2html(page.name)).read_text(encoding='utf-8'))
        lost = [o for o in openings(page) if ' '.join(o.split()) not in text]
        assert not lost, f'{page.name}: {lost[:5]}'

def test_no_raw_formula_and_no_mark_of_the_tools_is_shown(built):
    for path in built[0].rglob('*.html'):
        main = re.search(r'<main.*?</main>', path.read_text(encoding='utf-8'), re.S)[0]
        assert not re.findall(r'^#\| ', re.sub(r'<[^>]+>', '', main), re.M), path.name
        told = re.sub(r'<(pre|code|script|style|svg)\b.*?</\1>|<span class="math.*?</span>', '', main, flags=re.S)
        raw = re.findall(r'\$[^$\n]{1,40}\$', re.sub(r'<[^>]+>', '', told))
        assert not raw, f'{path.name}: {raw[:3]}'

def test_every_place_within_the_site_is_there(built):
    read = functools.cache(lambda path: path.read_text(encoding='utf-8'))
    places = functools.cache(lambda path: set(re.findall(r'\bid="([^"]+)"', read(path))))
    for path in built[0].rglob('*.html'):
        links = {h.partition('#')[::2] for h in re.findall(r'href="([^":]*#[^"]+)"', read(path))}
        dead = {f'{to}#{at}' for to,at in links if at not in places((path.parent/to).resolve() if to else path)}
        assert not dead, f'{path.relative_to(built[0])}: {sorted(dead)[:5]}'

def test_no_test_stands_open(built):
    for path in built[0].rglob('*.html'):
        text = re.sub(r'<details class="proof">.*?</details>(?=</section>)', '', path.read_text(encoding='utf-8'), flags=re.S)
        found = re.findall(r'\bdef (test_\w+)', re.sub(r'<[^>]+>', '', text))
        assert not found, f'{path.relative_to(built[0])}: {found[:3]} before the proof'

@pytest.fixture(scope='module')
def served(built):
    "Address of the site on a local server"
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args): pass
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(built[0])))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()

@pytest.fixture(scope='module')
def chromium():
    "A running browser; without one the tests are skipped, though never in CI"
    path = browser.find()
    if not path:
        why = 'no Chromium on PATH (apt install chromium, or set ITR_NB_CHROME)'
        pytest.fail(why) if os.environ.get('CI')=='true' else pytest.skip(why)
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=path, args=['--no-sandbox', '--disable-dev-shm-usage'])
        yield b
        b.close()

def watch(page, home):
    "List that fills with what goes wrong on a page, requests to anywhere else included"
    wrong = []
    page.on('console', lambda m: wrong.append(f'console: {m.text}') if m.type in ('error', 'warning') else None)
    page.on('pageerror', lambda e: wrong.append(f'script: {e}'))
    page.on('requestfailed', lambda r: wrong.append(f'failed: {r.url}'))
    page.on('response', lambda r: wrong.append(f'{r.status}: {r.url}') if r.status>=400 else None)
    page.on('request', lambda r: None if r.url.startswith((home, 'data:', 'blob:')) else wrong.append(f'elsewhere: {r.url}'))
    return wrong

tags_on_formulas = """[...document.querySelectorAll('main .katex-html > .tag')].filter(tag => { const t = tag.getBoundingClientRect();
    return [...tag.parentElement.querySelectorAll(':scope > .base')].map(b => b.getBoundingClientRect()).some(b => b.right > t.left+1 && b.bottom > t.top+2 && b.top < t.bottom-2) }).length"""

link_out_of_sight = """(() => { const a = document.querySelector('#quarto-sidebar .sidebar-link.active')?.getBoundingClientRect();
    return !!a && (a.top < 0 || a.bottom > innerHeight) })()"""

most_pixels = 12_000 # Height of a lesson, twelve screens, with what is folded left folded

def lesson_problems(page, name):
    "What is wrong with a lesson as it is drawn: too long, something folded stands open, its way on is not the arrow's"
    height = page.evaluate("document.querySelector('main').scrollHeight")
    if height>most_pixels: yield f'{name}: {height} pixels high, at most {most_pixels}'
    if page.evaluate("document.querySelectorAll('main details[open]').length"): yield f'{name}: something folded stands open'
    arrow = page.evaluate("document.querySelector('.nav-page-next a')?.href")
    way = page.evaluate("[...document.querySelectorAll('main p')].find(p => /^(This chapter ends here. |This was the last lesson. )?Next: /.test(p.innerText))?.querySelector('a').href")
    if way and way!=arrow: yield f'{name}: its way on is {way}, the arrow leads to {arrow}'
    if not page.evaluate("document.querySelectorAll('main .take-along a[download]').length"): yield f'{name}: no notebook to take along'

link_places = """Object.entries(JSON.parse(document.getElementById('linked').textContent).said).map(([id, said]) => {
    const kind = (e) => e.matches('.linked-key') ? 'key' : e.closest('tr') ? 'row' : e.closest('pre') ? 'code' : e.closest('#equation') ? 'term' : 'hand';
    const found = {key: 0, row: 0, code: 0, term: 0, hand: 0};
    document.querySelectorAll(`main [data-linked~="${id}"]`).forEach(e => found[kind(e)] += !e.closest('details'));
    return found })"""

terms_out_of_reach = """(async () => { await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    await Promise.all(document.getAnimations().map(a => a.finished)); // The sidebar slides out of a narrow window
    const points = [...Array(49).keys()].map(k => [(k%7+.5)/7, ((k/7|0)+.5)/7]);
    const within = (e) => { e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = e.getBoundingClientRect();
        return r.left >= 0 && r.right <= innerWidth && points.some(([x, y]) => e === document.elementFromPoint(r.left+x*r.width, r.top+y*r.height)?.closest('[data-linked]')) };
    return [...document.querySelectorAll('#equation .katex-html [data-linked]')].filter(e => !within(e)).map(e => e.textContent) })()"""

def link_problems(page, name, links):
    "What of a lesson's links is not on its page, or cannot be pointed at at the width that the page has"
    for link,places in zip(links, page.evaluate(link_places), strict=True):
        want = dict(key=1, row=bool(link.row), code=len(link.code), hand=len(link.hand))
        if places['term']<len(link.terms) or places | want!=places: yield f'{name}: {link.terms} stands at {places}'
    if lost := page.evaluate(terms_out_of_reach): yield f'{name}: out of reach in a window of {page.viewport_size["width"]} pixels: {lost}'

def opened(names, served, chromium):
    "Pages that load side by side, since each is watched until it has been quiet for half a second"
    found = []
    for name in names:
        page = chromium.new_page(viewport=dict(width=1400, height=900))
        found.append((name, page, watch(page, served)))
        page.goto(f'{served}/{name}', wait_until='commit')
    for name,page,wrong in found:
        page.wait_for_load_state('networkidle')
        yield name,page,wrong

def test_every_page_in_a_browser(built, served, chromium):
    from nbdev.config import nbpath2html
    problems,taught = [],{str(nbpath2html(p.name)) for p in pages() if p.is_lesson}
    linked = {str(nbpath2html(name)):links for name,links in tables().items()}
    names = sorted(path.relative_to(built[0]).as_posix() for path in built[0].rglob('*.html'))
    for name,page,wrong in (found for some in chunked(names, 6) for found in opened(some, served, chromium)):
        main = page.locator('main')
        if at := page.evaluate('scrollY'): problems.append(f'{name}: opens scrolled by {at} pixels')
        if page.evaluate(link_out_of_sight): problems.append(f'{name}: its link in the sidebar is out of sight')
        text = main.inner_text()
        prose = page.evaluate("[...document.querySelectorAll('main p, main li, main td')].filter(e => !e.closest('pre, .katex')).map(e => e.innerText).join('\\n')")
        maths = page.evaluate("document.querySelectorAll('main span.math').length")
        drawn = page.evaluate("document.querySelectorAll('main .katex').length")
        failed = page.evaluate("[...document.querySelectorAll('.katex-error')].map(e => e.title)")
        page.evaluate("Promise.all([...document.querySelectorAll('main img')].map(i => i.decode().catch(() => null)))")
        missing = page.evaluate("[...document.querySelectorAll('main img')].filter(i => !i.complete || !i.naturalWidth).length")
        if name in taught: problems += lesson_problems(page, name)
        if name in linked: problems += link_problems(page, name, linked[name])
        wide = [w for w in (1400, 420) if page.set_viewport_size(dict(width=w, height=900)) or page.evaluate("document.documentElement.scrollWidth")>w]
        if name in linked: problems += link_problems(page, name, linked[name])
        if wrong: problems.append(f'{name}: {wrong}')
        if failed: problems.append(f'{name}: equations fail: {failed}')
        if drawn<maths: problems.append(f'{name}: {drawn} of {maths} equations drawn')
        if re.search(r'\$\$|\\\[|\\\(', prose): problems.append(f'{name}: raw TeX in the prose')
        if missing: problems.append(f'{name}: {missing} pictures do not load')
        if wide: problems.append(f'{name}: wider than a window of {wide} pixels')
        if len(text)<200: problems.append(f'{name}: next to no text')
        if n := page.evaluate(tags_on_formulas): problems.append(f'{name}: {n} equation numbers lie on their formulas in the narrow window')
        page.close()
    assert not problems, '\n'.join(problems)

cut_tables = """[...document.querySelectorAll('main table')].filter(table => {
    for (let d = table.closest('details'); d; d = d.parentElement.closest('details')) d.open = true;
    let column = table.parentElement;
    while (column.parentElement.tagName != 'MAIN' && getComputedStyle(column).overflowX == 'visible') column = column.parentElement;
    const edge = table.getBoundingClientRect();
    return edge.width && edge.right > column.getBoundingClientRect().right+1;
}).map(table => table.innerText.replace(/\\s+/g, ' ').slice(0, 60))"""

def test_no_table_is_wider_than_its_column(built, served, chromium):
    page,cut = chromium.new_page(viewport=dict(width=1280, height=900)),[]
    for path in sorted(built[0].rglob('*.html')):
        name = path.relative_to(built[0]).as_posix()
        page.goto(f'{served}/{name}')
        cut += [f'{name}: {said!r}' for said in page.evaluate(cut_tables)]
    wide = '<main><div style="width:100px;overflow-x:auto"><table><tr><td><div style="width:103px">x</div></table></div></main>'
    page.set_content(wide)
    assert page.evaluate(cut_tables)==['x']
    page.close()
    assert not cut, '\n'.join(cut)

def test_equations_are_drawn(served, chromium):
    page = chromium.new_page()
    page.goto(f'{served}/road/triplet.html')
    page.locator('main .katex-display').first.wait_for(timeout=20_000)
    page.close()

def test_sidebar_is_in_reading_order(served, chromium):
    page = chromium.new_page(viewport=dict(width=1400, height=900))
    page.goto(f'{served}/road/triplet.html', wait_until='networkidle')
    hrefs = page.evaluate("[...document.querySelectorAll('#quarto-sidebar a.sidebar-link[href]')].map(a => a.href)")
    from nbdev.config import nbpath2html
    links = list(dict.fromkeys(h.removeprefix(f'{served}/') for h in hrefs if h.endswith('.html')))
    found = pages()
    assert links==[str(nbpath2html(p.name)) for p in [p for p in found if not p.chapter]+[p for p in found if p.chapter]]
    page.close()

def test_search_finds_a_page(served, chromium):
    page = chromium.new_page(viewport=dict(width=1400, height=900))
    page.goto(f'{served}/reference/core.html', wait_until='networkidle')
    page.locator('.smalldocs-search input').first.fill('collapse_level')
    first = page.locator('.search-result').first
    first.wait_for(timeout=10_000)
    first.click()
    page.wait_for_load_state()
    assert 'road/triplet.html' in page.url
    page.close()

def test_search_knows_every_page(built):
    entries = json.loads((built[0]/'search.json').read_text(encoding='utf-8'))
    assert {e['href'].partition('#')[0] for e in entries}=={p.relative_to(built[0]).as_posix() for p in built[0].rglob('*.html')}

def test_the_proof_is_a_drawer(served, chromium):
    page = chromium.new_page(viewport=dict(width=1400, height=900))
    page.goto(f'{served}/road/triplet.html', wait_until='networkidle')
    drawer = page.locator('details.proof')
    assert drawer.count()==1 and re.fullmatch(r'Proof: \d+ checks', drawer.locator('summary').inner_text())
    code = drawer.locator('pre').first
    assert not code.is_visible()
    drawer.locator('summary').click()
    assert code.is_visible()
    page.close()

def test_a_term_is_said_on_hover(served, chromium):
    page = chromium.new_page(viewport=dict(width=1400, height=900))
    page.goto(f'{served}/road/triplet.html', wait_until='networkidle')
    term = page.locator('main a.term').first
    assert len(term.get_attribute('title'))>10 and term.get_attribute('href').endswith('start/how_to_read.html#glossary')
    page.close()

def test_cards_on_the_site_answer(served, chromium):
    page = chromium.new_page(viewport=dict(width=1400, height=900))
    wrong = watch(page, served)
    page.goto(f'{served}/sgraf/read_the_attention.html', wait_until='networkidle')
    cards = page.locator('main .itr-card')
    lit = lambda n: float(cards.nth(n).locator('.i-veil').evaluate('e => getComputedStyle(e).opacity'))
    assert cards.count()>=3 and lit(0)==lit(1)==0
    cards.nth(0).locator('.i-w').nth(3).hover()
    page.wait_for_timeout(400)
    assert (lit(0), lit(1))==(1, 0) and not wrong
    page.close()

def test_without_its_script_a_page_is_as_it_was(built):
    from nbdev.config import nbpath2html
    linked = {str(nbpath2html(name)) for name in tables()}
    for path in built[0].rglob('*.html'):
        text,name = path.read_text(encoding='utf-8'),path.relative_to(built[0]).as_posix()
        assert ('site_libs/linked.js' in text)==(name in linked), name
        assert name not in linked or not re.search('htmlData|data-linked', text.partition('<body')[2]), name

devices = dict(pointer=dict(), finger=dict(has_touch=True, reduced_motion='reduce', color_scheme='dark', viewport=dict(width=390, height=800)))

@pytest.fixture(params=devices)
def lesson(request, served, chromium):
    "A page with links, for a pointer and for a finger; it must say nothing in the console. Its first link stands in all four places"
    context = chromium.new_context(**dict(viewport=dict(width=1280, height=800)) | devices[request.param])
    page,said = context.new_page(),[]
    page.on('console', lambda m: said.append(m.text))
    wrong = watch(page, served)
    page.goto(f'{served}/road/triplet.html', wait_until='networkidle')
    yield page
    context.close()
    assert not said and not wrong

def lit(page):
    "Links that are lit, and that nothing of them is left out"
    ids = page.evaluate("[...new Set([...document.querySelectorAll('.linked-lit')].flatMap(e => e.dataset.linked.split(' ')))]")
    dark = [i for i in ids if page.evaluate(f"""document.querySelectorAll('[data-linked~="{i}"]:not(.linked-lit)').length""")]
    return {int(i) for i in ids if i not in dark}

def go(page, css):
    "Point at the start of an element, or tap it, once it is scrolled into the window; the window must stay there"
    x,y = page.evaluate("""css => { const e = document.querySelector(css);
        e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = e.getClientRects()[0]; return [r.x+4, r.y+r.height/2] }""", css)
    before = page.evaluate('scrollY')
    if page.evaluate('navigator.maxTouchPoints'): page.touchscreen.tap(x, y)
    else: page.mouse.move(x, y)
    assert abs(page.evaluate('scrollY')-before)<3

def test_what_belongs_together_lights_up(lesson):
    for css in ('#equation .katex [data-linked~="0"]', 'pre [data-linked~="0"]', 'tr[data-linked~="0"]', '#code p [data-linked~="0"]'):
        go(lesson, css)
        assert 0 in lit(lesson), css
        go(lesson, 'h1')
        assert not lit(lesson), css
    shared = lesson.evaluate("document.querySelector('tr[data-linked*=\" \"]').dataset.linked")
    go(lesson, f'tr[data-linked="{shared}"]')
    assert lit(lesson)=={int(i) for i in shared.split()} and len(shared)>1
    lesson.keyboard.press('Escape')
    assert not lit(lesson)

def test_places_out_of_the_window_are_named(lesson):
    edges = lambda: lesson.locator('.linked-edge').all_inner_texts()
    go(lesson, '#equation .katex [data-linked~="0"]')
    assert edges()[0]=='' and edges()[1].startswith('↓ ') and 'by hand' in edges()[1]
    go(lesson, '#code p [data-linked~="0"]')
    assert edges()[0].startswith('↑ ') and 'equation' in edges()[0] and edges()[1]==''
    assert lesson.evaluate("getComputedStyle(document.querySelector('main .linked-lit:not(tr)')).backgroundColor")!='rgba(0, 0, 0, 0)'
    lesson.emulate_media(media='print')
    lesson.wait_for_function("[...document.querySelectorAll('main .linked-lit:not(button)')].every(e => getComputedStyle(e).backgroundColor=='rgba(0, 0, 0, 0)')")
    assert not lesson.locator('.linked-edge').last.is_visible()

def test_links_answer_the_keyboard_and_are_said(lesson):
    lesson.locator('#linked-0').focus()
    lesson.keyboard.press('Tab')
    lesson.keyboard.press('Shift+Tab')
    assert 0 in lit(lesson) and lesson.evaluate("getComputedStyle(document.querySelector('.katex .linked-at')).outlineStyle")=='solid'
    lesson.keyboard.press('Enter')
    code = lesson.evaluate('document.activeElement.outerHTML')
    assert 0 in lit(lesson) and 'margin' in code and 'aria-describedby="linked-0"' in code
    assert lesson.evaluate("[...document.querySelectorAll('pre [data-linked], tr[data-linked]')].every(e => e.tabIndex===0 && document.getElementById(e.getAttribute('aria-describedby').split(' ')[0]).textContent.length>20)")
    assert not lesson.evaluate("document.querySelectorAll('[aria-hidden=true] [tabindex], [aria-hidden=true] button').length")
    lesson.keyboard.press('Escape')
    assert not lit(lesson)
    lesson.keyboard.press('Tab')
    assert lit(lesson)
    lesson.evaluate('document.activeElement.blur()')
    assert not lit(lesson)

def test_what_lights_up_moves_only_where_motion_is_wanted(lesson):
    still = lesson.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
    assert (lesson.evaluate("getComputedStyle(document.querySelector('pre [data-linked]')).transitionDuration")=='0s')==still
