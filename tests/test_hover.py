"Hover cards in Chromium: pointer and keyboard light the regions of a word, cards on one page stay apart, nothing is asked of any server"
import io

import numpy as np
import pytest
import torch
from PIL import Image
from test_site import chromium,watch
from itr_nb.show.cards import HoverCard,save_cards

pytestmark = pytest.mark.xdist_group('site') # one browser for both files

boxes = torch.tensor([[0,0,.5,1.],[.5,0,1,1]])
weights = torch.tensor([[.9,.1],[.2,.8],[.5,.5]])
edges = [torch.tensor([[.1,.2,.3,.4]]*4)]*2

def card(**kw):
    picture = Image.new('RGB', (200,100), (200,40,40))
    picture.paste((40,40,200), (100,0,200,100))
    return HoverCard(picture, ['red','blue','<script>'], **dict(attention=weights, boxes=boxes, weights=torch.tensor([.1,.4,.4,.1])) | kw)

@pytest.fixture(scope='module')
def file(tmp_path_factory):
    "Four cards on a page: filtered, reasoned, on a grid, and the first one again"
    cards = [card(), card(weights=None, edges=edges), card(boxes=None, grid=(1,2)), card()]
    return save_cards(cards, tmp_path_factory.mktemp('cards')/'card.html', title='<b>Cards</b>')

@pytest.fixture(params=['script', 'no script'])
def page(request, file, chromium):
    "The page without and with a browser's scripts off; whatever goes wrong on it fails the test"
    context = chromium.new_context(viewport=dict(width=1000, height=900), java_script_enabled=request.param=='script', reduced_motion='reduce')
    page = context.new_page()
    wrong = watch(page, file.as_uri())
    page.goto(file.as_uri())
    yield page
    context.close()
    assert not wrong

def shown(page, n):
    "Mean colour of the left and the right half of card n's picture"
    x = np.asarray(Image.open(io.BytesIO(page.locator('.itr-card .i-pic').nth(n).screenshot())).convert('RGB'), dtype=float)
    h,w,_ = x.shape
    return [x[h//2:h-9, round(w*k)-w//9:round(w*k)+w//9].mean((0,1)) for k in (.25,.75)]

def word(page, n, w): return page.locator('.itr-card').nth(n).locator('.i-w').nth(w)
def line(page, n): return [l.inner_text() for l in page.locator('.itr-card').nth(n).locator('.i-say > div').all() if l.is_visible()]
def away(page): page.mouse.move(1, 1)

red,blue = np.array([200,40,40]),np.array([40,40,200])
def under(colour, light): return 255-(255-colour)*(1-217/255*(1-light))

def test_the_pointer_lights_what_a_word_looks_at(page):
    assert np.allclose(shown(page, 0), [red,blue], atol=6)
    word(page, 0, 1).hover()
    assert np.allclose(shown(page, 0), [under(red, 1), under(blue, .11)], atol=6)
    word(page, 0, 2).hover()
    assert np.allclose(shown(page, 0), [under(red, .25), under(blue, 1)], atol=6)
    word(page, 0, 3).hover()
    assert np.allclose(shown(page, 0), [red,blue], atol=6)
    away(page)
    assert np.allclose(shown(page, 0), [red,blue], atol=6)

def test_lines_follow_the_pointer(page):
    assert line(page, 0)==['Point at a word, or tab to it. Bars: the weight of each node.']
    word(page, 0, 1).hover()
    said, = line(page, 0)
    assert said.split()==['looks','at','1','.90','weighs','.40,','place','1','of','4']
    word(page, 1, 2).hover()
    assert line(page, 0)==['Point at a word, or tab to it. Bars: the weight of each node.']
    said, = line(page, 1)
    assert 'whole takes' in said and '.30, place 2 of 4' in said and 'step 1 takes' in said and 'step 2' not in said
    word(page, 1, 0).hover()
    assert 'step 2 takes' in line(page, 1)[0]

def test_the_graph_follows_the_pointer(page):
    graph = page.locator('.itr-card').nth(1).locator('.i-graph')
    seen = lambda: graph.locator('g').evaluate_all('gs => gs.map(g => [getComputedStyle(g).stroke, +getComputedStyle(g).opacity])')
    rest = seen()
    assert len(rest)==4 and rest==[rest[0]]*4
    for node in (word(page, 1, 2), graph.locator('text.w2')):
        node.hover()
        assert [o for _,o in seen()]==[.15,.15,1,.15] and [s!=rest[0][0] for s,_ in seen()]==[False,False,True,False]
    away(page)
    assert seen()==rest

def test_the_strongest_are_numbered(page):
    label = lambda r: page.locator('.itr-card').nth(0).locator(f'.r{r}').evaluate("e => getComputedStyle(e, '::after').content")
    opacity = lambda r: page.locator('.itr-card').nth(0).locator(f'.r{r}').evaluate('e => +getComputedStyle(e).opacity')
    assert (label(0), opacity(0))==('none', 0)
    word(page, 0, 2).hover()
    assert (label(1), label(0), opacity(1), opacity(0))==('"2\u2002.80"', 'none', 1, 0)

def test_the_keyboard_does_the_same(page):
    page.keyboard.press('Tab'); page.keyboard.press('Tab')
    assert np.allclose(shown(page, 0), [under(red, 1), under(blue, .11)], atol=6)
    assert word(page, 0, 1).evaluate("e => getComputedStyle(e).boxShadow")!='none'
    page.keyboard.press('Tab')
    assert np.allclose(shown(page, 0), [under(red, .25), under(blue, 1)], atol=6)
    for _ in range(3): page.keyboard.press('Tab')
    assert np.allclose(shown(page, 0), [red,blue], atol=6) and np.allclose(shown(page, 1), [under(red, 1), under(blue, .11)], atol=6)
    word(page, 1, 2).hover()
    assert np.allclose(shown(page, 1), [under(red, .25), under(blue, 1)], atol=6)
    away(page)
    assert np.allclose(shown(page, 1), [under(red, 1), under(blue, .11)], atol=6)

def test_cards_are_independent_even_of_their_own_copy(page):
    for n,others in ((0, (1,2,3)), (3, (0,1,2))):
        word(page, n, 1).hover()
        assert np.allclose(shown(page, n), [under(red, 1), under(blue, .11)], atol=6)
        for o in others: assert np.allclose(shown(page, o), [red,blue], atol=6)

def test_a_grid_is_lit(page):
    word(page, 2, 1).hover()
    left,right = shown(page, 2)
    assert np.abs(left-red).max()<25 and right.min()>150

def test_the_words_are_text_and_fit(page):
    assert word(page, 0, 3).inner_text().split()[0]=='<script>' and page.locator('h1').inner_text()=='<b>Cards</b>'
    assert word(page, 0, 3).get_attribute('aria-label')=='<script>: looks at: none stands out; weighs: .10, place 3 of 4'
    for width in (1000, 320):
        page.set_viewport_size(dict(width=width, height=900))
        assert not page.evaluate('document.documentElement.scrollWidth > window.innerWidth')

def test_it_can_be_read_in_dark_surroundings(file, chromium):
    page = chromium.new_page(color_scheme='dark')
    page.goto('about:blank')
    page.set_content(f'<body style="background:#111;color:#eee">{card()._repr_html_()}</body>')
    def luminance(css):
        c = [int(x)/255 for x in css[4:-1].split(',')]
        return sum(k*((x+.055)/1.055)**2.4 for k,x in zip((.2126,.7152,.0722), c))
    for selector in ('.i-t', '.i-x', '.i-head span', '.i-say > div'):
        ink = page.locator(f'.itr-card {selector}').last.evaluate('e => getComputedStyle(e).color')
        paper = page.locator('.itr-card').evaluate('e => getComputedStyle(e).backgroundColor')
        assert (luminance(paper)+.05)/(luminance(ink)+.05)>4
    page.close()
