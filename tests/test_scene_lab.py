"The scene lab in Chromium: its scores, weights and edges are the package's, and whatever one does to it is answered by a sentence"
import io,json

import pytest
import torch
from PIL import Image
from test_labs import opened
from test_site import chromium
from itr_nb.core import Batch,ImageStates
from itr_nb.data.vocab import tokenize,Vocab
from itr_nb.sgraf.attention import attention_weights
from itr_nb.sgraf.scene_lab import restore,scene_lab,scene_parts
from itr_nb.show.labs import save_labs
from itr_nb.workshop.meaning import Meaning,Phrase,RELATIONS,Region,Scene,SIZES,holds
from itr_nb.workshop.grammar import FORMS,say,written

pytestmark = pytest.mark.xdist_group('site') # one browser for these files
settings,tolerance,px = 200,1e-4,256

@pytest.fixture(scope='module')
def parts(): return scene_parts()

@pytest.fixture(scope='module')
def file(parts, tmp_path_factory): return save_labs([scene_lab(**parts)], tmp_path_factory.mktemp('scene')/'scene.html')

@pytest.fixture
def page(file, chromium):
    "The page; whatever goes wrong on it fails the test"
    page = opened(chromium, file)
    yield page
    page.context.close()
    assert not page.wrong

def lab(page): return page.locator('.itr-lab[data-lab=scene]')
def said(page): return lab(page).locator('.l-say').inner_text()
def wrong(page): return lab(page).locator('.l-wrong').inner_text()
def scores(page): return [float(x) for x in lab(page).locator('table').first.locator('tr td:nth-child(2)').all_inner_texts()]
def thing(page, noun): return lab(page).locator(f'g[aria-label^="{noun},"]')
def type_in(page, text):
    box = lab(page).get_by_label('sentence', exact=True)
    box.fill(text)
    box.press('Enter')

# What the package says of a setting

def pick(g, xs): return xs[torch.randint(len(xs), (), generator=g).item()]

def some_meaning(parts, g):
    def phrase():
        d = pick(g, parts['drawings'])
        return Phrase(pick(g, (d['noun'],d['noun'],d['category'])), size=pick(g, ('','','small','big')), colour=pick(g, ('','',d['colour'],'red')))
    ground = pick(g, ('','','',pick(g, [k for k,_ in parts['grounds']])))
    if pick(g, (True,False,False)): return Meaning(tuple(phrase() for _ in range(pick(g, (1,2,3)))), background=ground),pick(g, ('list','there','picture'))
    return Meaning((phrase(),phrase()), ((pick(g, list(RELATIONS)),0,1),), ground),pick(g, list(FORMS))

def some_setting(parts, g):
    "A random setting, its scene and what is said of it"
    words,n = parts['words'],len(parts['drawings'])
    m,form = some_meaning(parts, g)
    text = written(say(m, form, {}))
    if pick(g, (True,False,False,False)): m,text = None,' '.join(words[4+i] for i in torch.randint(len(words)-4, (pick(g, range(1,19)),), generator=g).tolist())
    ids = [words.index(w) for w in tokenize(text)]
    draw = [pick(g, range(n)) for _ in range(3)]
    if m and pick(g, (True,True,False)): # Speak of what is there
        for k,p in enumerate(m.phrases): draw[k] = next((i for i,d in enumerate(parts['drawings']) if p.noun in (d['noun'],d['category'])), draw[k])
    side = [pick(g, range(len(parts['sizes']))) for _ in range(3)]
    at = torch.rand(6, generator=g).mul(1e4).round().div(1e4).tolist()
    state = dict(draw=draw, side=side, at=at, ground=pick(g, parts['grounds'])[0], words=ids+[0]*(18-len(ids)), word=1, model='saf', step=0)
    return state,m,ids

def scene_of(parts, state):
    def region(k):
        d,(size,share) = parts['drawings'][state['draw'][k]],parts['sizes'][state['side'][k]]
        w,h = (int(share*px*n/max(d['size'])+.5)/px for n in d['size'])
        x,y = (min(max(v, s/2), 1-s/2) for v,s in zip(state['at'][2*k:2*k+2], (w,h)))
        return Region(d['noun'], d['category'], size, d['colour'], (x-w/2,y-h/2,x+w/2,y+h/2))
    return Scene(tuple(map(region, range(3))), state['ground'])

@torch.no_grad()
def explained(model, regions, rows, ids):
    "What the model of the package gives"
    local = regions[rows][None]
    real = torch.ones(1, len(rows)).bool()
    images = ImageStates(model.image_pool(local, real), local, real)
    texts = model.encode_text(Batch.of(tokens=torch.tensor([[1,*ids,2]])))
    return model.scorer.explain(images, texts)

def expected(parts, models, state, m, ids):
    grounds,sizes = [k for k,_ in parts['grounds']],parts['sizes']
    rows = [(d*len(grounds)+grounds.index(state['ground']))*len(sizes)+s for d,s in zip(state['draw'], state['side'])]
    saf,sgr = (explained(*models[k], rows, ids) for k in ('saf','sgr'))
    scene = scene_of(parts, state)
    out = dict(safScore=saf.score, safLook=saf.attention, weights=saf.weights, sgrScore=sgr.score, sgrLook=sgr.attention, edges=torch.stack(sgr.edges), boxes=torch.tensor([r.box for r in scene.regions]))
    return out|({} if m is None else dict(truth=float(holds(m, scene))))

def off(got, want):
    "Largest difference, relative to the largest number of the right one"
    want,got = torch.as_tensor(want).double().flatten(),torch.tensor(got, dtype=torch.double).flatten()
    assert got.shape==want.shape and got.isfinite().all()
    return ((got-want).abs().max()/want.abs().max().clamp(min=1e-6)).item()

def test_the_page_computes_what_the_package_computes(page, parts):
    g = torch.Generator().manual_seed(0)
    models = {k:restore(p) for k,p in parts['models'].items()}
    cases = [some_setting(parts, g) for _ in range(settings)]
    found = page.evaluate("""states => {
        const data = JSON.parse(document.querySelector('[data-lab=scene] .l-data').textContent);
        return states.map(state => itrLabs.scene(data, state)) }""", [s for s,*_ in cases])
    worst,truths = {},[]
    for got,(state,m,ids) in zip(found, cases):
        want = expected(parts, models, state, m, ids)
        for k,v in want.items():
            d = off([got[k]] if k in ('truth','safScore','sgrScore') else got[k], v)
            assert d<=tolerance, f'{k} is {got[k]}, not {v}, at {state}'
            worst[k] = max(worst.get(k, 0), d)
        truths.append(got['truth'])
    assert min(truths.count(k) for k in (-1,0,1))>10, 'settings of one kind only'
    print({k:f'{d:.1e}' for k,d in worst.items()})

# What a reader does

def test_it_opens_with_a_question_and_numbers_as_text(page, parts):
    assert lab(page).locator('.l-ask').inner_text().endswith('?')
    assert 'is true of this picture' in said(page) and all(f'{s:.3f}' in said(page) for s in scores(page))
    assert lab(page).locator('.l-say').get_attribute('aria-live')=='polite'
    assert lab(page).locator('image').count()==len(parts['start']['draw'])

def test_mirrored_places_change_the_truth_and_no_score(page):
    type_in(page, 'a shoe to the left of a radio')
    before,text = scores(page),said(page)
    lab(page).get_by_role('button', name='swap left and right').click()
    assert scores(page)==before and 'is true' in text and 'is false' in said(page)
    lab(page).get_by_role('button', name='swap left and right').click()
    assert said(page)==text

def test_another_drawing_changes_the_scores(page):
    before = scores(page)
    lab(page).get_by_label('drawing 1', exact=True).select_option(label='green frog')
    assert 'frog' in said(page) and 'is false' in said(page)
    assert all(abs(a-b)>.005 for a,b in zip(before, scores(page)))
    lab(page).get_by_role('button', name='Reset').click()
    assert scores(page)==before

def test_a_drawing_is_dragged(page):
    box = thing(page, 'radio').bounding_box()
    x,y = box['x']+box['width']/2,box['y']+box['height']/2
    before = scores(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x-150, y-100, steps=6)
    page.mouse.up()
    now = thing(page, 'radio').bounding_box()
    assert abs(now['x']-box['x']+150)<3 and abs(now['y']-box['y']+100)<3
    assert scores(page)==before

def test_arrow_keys_move_a_drawing(page):
    box = thing(page, 'radio').bounding_box()
    for _ in range(5): thing(page, 'radio').press('ArrowUp')
    now = thing(page, 'radio').bounding_box()
    assert now['y']<box['y']-20 and abs(now['x']-box['x'])<1
    assert 'lies on' not in wrong(page)

def test_a_drawing_stays_in_the_picture(page):
    for _ in range(12): thing(page, 'radio').press('ArrowRight')
    assert wrong(page)=='The radio stays in the picture.'
    thing(page, 'radio').press('ArrowLeft')
    assert wrong(page)==''

def test_a_drawing_on_another_is_answered_by_a_sentence(page):
    for _ in range(25): thing(page, 'radio').press('ArrowLeft')
    assert 'lies on the' in wrong(page) and scores(page)
    lab(page).get_by_role('button', name='Reset').click()
    assert wrong(page)==''

@pytest.mark.parametrize('text,answer', [('a unicorn above a radio', '“unicorn”'), ('', 'empty sentence'), ('  . ', 'empty sentence'),
    (' '.join(['a']*19), 'more than 18 words'), ('<script>alert(1)</script>', '“<script>'), ('<unk> <end>', '“<unk>”'), ('lemon 🍋 😀', '“🍋”')])
def test_a_sentence_that_cannot_be_read_is_answered_by_one(page, text, answer):
    before = said(page)
    type_in(page, text)
    assert answer in wrong(page) and wrong(page).endswith('The sentence stays as it was.') and said(page)==before
    type_in(page, 'A small radio.')
    assert wrong(page)=='' and '“a small radio” is true' in said(page)

def test_what_the_parser_cannot_read_is_scored_all_the_same(page):
    type_in(page, 'radio lemon of')
    assert 'more than this page can check' in said(page) and len(scores(page))==3

def test_a_word_is_chosen_and_whose_look(page):
    lab(page).get_by_role('button', name='radio', exact=True).click()
    assert 'In SAF “radio” gives' in said(page)
    lab(page).get_by_role('button', name='SGR', exact=True).click()
    assert 'In SGR “radio” gives' in said(page)

def test_settings_live_in_the_address(file, chromium, page):
    type_in(page, 'a lemon and a shoe')
    lab(page).get_by_role('button', name='swap top and bottom').click()
    lab(page).get_by_label('size of drawing 2').select_option('big')
    lab(page).get_by_role('button', name='pink').click()
    page.wait_for_timeout(300)
    again = opened(chromium, file, '?'+page.url.partition('?')[2])
    assert said(again)==said(page) and scores(again)==scores(page)
    assert abs(thing(again, 'lemon').bounding_box()['y']-thing(page, 'lemon').bounding_box()['y'])<2
    again.context.close()
    lab(page).get_by_role('button', name='Reset').click()
    page.wait_for_timeout(300)
    assert '?' not in page.url

@pytest.mark.parametrize('query', ['?scene=at.1_2', '?scene=ground.mauve', '?scene=words.NaN', '?scene=draw.0_1_x~zz.4'])
def test_an_address_that_nobody_wrote_is_answered_by_a_sentence(file, chromium, query):
    page = opened(chromium, file, query)
    assert 'does not know' in wrong(page) and len(scores(page))==3 and not page.wrong
    page.context.close()

@pytest.mark.parametrize('query', ['?scene=at.0_0_1_1_0_1', '?scene=draw.99_-3_1.6', '?scene=words.'+'_'.join(['0']*18), '?scene=words.'+'_'.join(['2.4']*18)])
def test_numbers_that_no_hand_can_set_do_no_harm(file, chromium, query):
    page = opened(chromium, file, query)
    assert len(scores(page))==3 and not page.wrong
    page.context.close()

@pytest.mark.parametrize('width', [1400, 390])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_widths_and_schemes(file, chromium, width, scheme):
    page = opened(chromium, file, viewport=dict(width=width, height=900), color_scheme=scheme)
    assert page.evaluate('document.documentElement.scrollWidth')<=width
    type_in(page, 'a cat next to a red apple')
    assert not page.wrong
    page.context.close()

@pytest.mark.parametrize('width', [390, 500, 640, 725, 860])
def test_the_table_of_words_is_not_cut(file, chromium, width):
    page = opened(chromium, file, viewport=dict(width=width, height=900))
    there,needed = page.evaluate("(e => [e.clientWidth, e.scrollWidth])(document.querySelector('.itr-lab .l-scroll'))")
    assert needed<=there
    page.context.close()

def test_touch(file, chromium):
    page = opened(chromium, file, viewport=dict(width=390, height=900), has_touch=True, is_mobile=True)
    type_in(page, 'a shoe to the left of a radio')
    before = said(page)
    lab(page).get_by_role('button', name='swap left and right').tap()
    assert said(page)!=before and not page.wrong
    page.context.close()

def test_without_scripts_the_picture_stays(file, chromium):
    page = opened(chromium, file, java_script_enabled=False)
    assert page.locator('.l-still').is_visible()
    page.context.close()

def test_the_lab_is_small(parts): assert len(scene_lab(**parts)._repr_html_().encode())<400_000
