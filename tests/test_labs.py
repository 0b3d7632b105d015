"Labs in Chromium: the arithmetic of a page is that of the package; they move, answer nonsense by a sentence, and fit every window"
import json,math

import pytest
import torch
from PIL import Image
from test_site import chromium,watch
from torch.nn import functional as F
from itr_nb.ckstn.knowledge import GATES,_read_units
from itr_nb.core import l2norm
from itr_nb.imc.constraint import MEASURES,MODES,intra_modal
from itr_nb.judge.ranks import ranks
from itr_nb.losses.infonce import info_nce
from itr_nb.losses.triplet import triplet_loss
from itr_nb.sgraf.attention import attention_weights,cross_attention
from itr_nb.sgraf.saf import SAF
from itr_nb.sgraf.sgr import GraphStep
from itr_nb.show.labs import attention_lab,band_lab,filter_lab,gate_lab,graph_lab,_PRESETS,save_labs,score_lab
from itr_nb.show.search_lab import search_lab,_search_data,WordSearch

pytestmark = pytest.mark.xdist_group('site') # one browser for these files

settings,tolerance = 200,1e-4 # Random settings a lab; relative to the largest number of a result
kinds = 'score','attention','filter','graph','band','gate','search'

def lots(seed): return torch.Generator().manual_seed(seed)
def unit(*shape, g): return F.normalize(torch.randn(*shape, generator=g, dtype=torch.double), dim=-1)
def number(g, lo, hi): return lo+(hi-lo)*torch.rand((), generator=g).item()
def pick(g, xs): return xs[torch.randint(len(xs), (), generator=g).item()]

def some_step(dim, g):
    step = GraphStep(dim).double().requires_grad_(False)
    for p in step.parameters(): p.copy_(torch.randn(p.shape, generator=g, dtype=torch.double)*.6)
    return step

def some_nodes(g): return unit(3, 5, 6, g=g)

def some_search(g, words=('old','<b>','sour','lemon','Σίγμα','été','n2o')):
    "A few words and pictures with random vectors, rounded as a page has them"
    words = [w.strip('<>').lower() for w in words]
    n,d = pick(g, (1,9,14)),pick(g, (2,7))
    x = [torch.randn(k, d, generator=g) for k in (len(words)+1, n)]
    rarity,seen = torch.rand(len(words), generator=g)*6,torch.rand(n, generator=g)<.5
    return WordSearch(words, rarity, *x, [f'<b>{k}' for k in range(n)], seen).rounded()

def some_text(g, words):
    "Known words, unknown ones, and what people type between them"
    asked = [pick(g, [*words, 'zzz', 'Lemon', 'OLD', 'ﬁ', 'É', '💩', 'x²', '__proto__', 'constructor', 'NaN']) for _ in range(pick(g, range(1, 7)))]
    return ''.join(w+pick(g, [' ', ', ', '~', '-', '\t', '<', '\u200b', '_']) for w in asked)

def lab_of(kind):
    "A lab with little in it"
    g = lots(9)
    picture,names = Image.new('RGB', (120,80), '#8899aa'),['right','other','third']
    x,w = some_nodes(g).float(),torch.randn(6, generator=g)
    V,T = unit(3, 8, g=g).float(),unit(4, 8, g=g).float()
    words,boxes = ['<b>','"dog"','is','here'],torch.tensor([[0,0,.4,.9],[.4,.1,.7,.8],[.6,.3,1,1]])
    return dict(
        score=lambda: score_lab(),
        attention=lambda: attention_lab(picture, words, V, T, boxes, names),
        filter=lambda: filter_lab(words, x, torch.rand(3, 5, generator=g), w, .2, names, [picture]*3),
        graph=lambda: graph_lab(words, x, [some_step(6, g).float() for _ in range(2)], w, .1, names),
        band=band_lab, gate=gate_lab, search=lambda: small_search(picture))[kind]()

def small_search(picture):
    "Three words and two drawings; the second was not trained with"
    table,seen = torch.tensor([[1.,0.], [0.,1.], [.2,.2], [.1,.1]]),torch.tensor([True,False])
    s = WordSearch(['lemon','shoe','old'], torch.tensor([2.,2.,.5]), table, torch.tensor([[1.,.1], [.1,1.]]), ['<b>lemon</b>','a shoe'], seen)
    return search_lab(s, [picture]*2, 'an old lemon', ['lemon','<b>','shoe'])

@pytest.fixture(scope='module')
def labs(): return [lab_of(k) for k in kinds]

@pytest.fixture(scope='module')
def file(labs, tmp_path_factory):
    "All labs on a page, and the first one again"
    return save_labs([*labs, labs[0]], tmp_path_factory.mktemp('labs')/'labs.html', title='<b>Labs</b>')

def opened(chromium, file, query='', **kw):
    context = chromium.new_context(**dict(viewport=dict(width=1000, height=900), reduced_motion='reduce')|kw)
    page = context.new_page()
    page.wrong = watch(page, file.as_uri())
    page.goto(file.as_uri()+query)
    return page

@pytest.fixture
def page(file, chromium):
    "The page; whatever goes wrong on it fails the test"
    page = opened(chromium, file)
    yield page
    page.context.close()
    assert not page.wrong

# One random setting a call: what the script gets, (data, state), and what the package says of it

def score_case(g):
    b,preset = pick(g, (2,3,4,5)),'x'
    S = (torch.rand(b, b, generator=g, dtype=torch.double)*2-1).mul(100).round().div(100).requires_grad_()
    ids = torch.randint(b, (b,), generator=g) if pick(g, (True,False)) else torch.arange(b)
    loss,margin,tau = pick(g, ('hardest','sum','infonce')),number(g, 0, 1),number(g, .05, 1)
    shared = pick(g, ('yes','no'))
    same = ids if shared=='yes' else torch.arange(b)
    positive = same[:,None]==same[None]
    out = info_nce(S, tau, same) if loss=='infonce' else triplet_loss(S, margin, loss=='hardest', positive)
    out.backward()
    i2t,t2i = ranks(S, same, same)
    data = dict(presets={preset:dict(scores=S.flatten().tolist(), ids=ids.tolist())})
    state = dict(preset=preset, shared=shared, loss=loss, margin=margin, tau=tau, scores=S.flatten().tolist())
    return data,state,dict(loss=out, grad=S.grad, i2t=1+i2t, t2i=1+t2i)

def attention_case(g):
    r,w,d = pick(g, (1,2,5,9)),pick(g, (1,3,8)),pick(g, (2,6))
    V,T = unit(r, d, g=g),unit(w, d, g=g)
    state = dict(smooth=number(g, 0, 30), clip=pick(g, ('leaky','relu')), word=0)
    args = V[None],T[None],torch.ones(1, r).bool(),torch.ones(1, w).bool(),state['smooth'],state['clip']
    seen = (cross_attention(*args)[0,0]*T).sum(-1)
    data = dict(words=['']*w, cosines=(V@T.T).flatten().tolist(), gram=(V@V.T).flatten().tolist())
    return data,state,dict(alpha=attention_weights(*args)[0,0].T, seen=seen, score=seen.mean())

def filter_case(g):
    n,m,p = pick(g, (2,5,9)),pick(g, (3,8)),pick(g, (1,4))
    saf,x = SAF(m).double().eval().requires_grad_(False),unit(p, n, m, g=g)[:,None]
    for q in (*saf.parameters(), saf.bn.running_mean): q.copy_(torch.randn(q.shape, generator=g))
    head,bias = torch.randn(m, generator=g, dtype=torch.double),number(g, -1, 1)
    keep = saf.bn(saf.logits(x), torch.ones(p, 1, n).bool()).sigmoid()
    plain = pick(g, (True,False))
    times = torch.ones(n) if plain else torch.rand(n, generator=g)*3*(torch.rand(n, generator=g)<.7)+torch.eye(n)[0]
    weights = saf.weights(x) if plain else keep*times/((keep*times).sum(-1, keepdim=True)+1e-8)
    scores = (saf.gather(x, weights)@head+bias).sigmoid()[:,0]
    data = dict(nodes=['']*n, bias=bias, pictures=[
        dict(keep=k[0].tolist(), read=(s[0]@head).tolist(), gram=(s[0]@s[0].T).flatten().tolist()) for k,s in zip(keep, x)])
    rank = 1+(scores[1:]>=scores[0]).sum()
    return data,dict(times=times.tolist()),dict(weights=weights, scores=scores, rank=rank)

def maps(step):
    both = dict(query=step.fc_query, key=step.fc_key, graph=step.fc_graph)
    return {k:f.weight.tolist() for k,f in both.items()}|{f'{k}_bias':f.bias.tolist() for k,f in both.items()}

def graph_case(g):
    x,head,bias = some_nodes(g),torch.randn(6, generator=g, dtype=torch.double),number(g, -1, 1)
    steps,depth,sharp = [some_step(6, g) for _ in range(pick(g, (1,3)))],pick(g, range(6)),number(g, 0, 3)
    one = pick(g, range(3))
    data = dict(words=['']*5, steps=[maps(s) for s in steps], head=head.tolist(), bias=bias, pictures=[dict(nodes=k.tolist()) for k in x])
    edges,apart = [],[]
    def far(x):
        lengths = x.norm(dim=-1).mean()
        return torch.cdist(x, x, compute_mode='donot_use_mm_for_euclid_dist').sum()/20/(lengths+1e-12)
    for k in range(depth+1):
        apart.append(far(x[one]))
        if k==depth: break
        step = GraphStep(6).double()
        step.load_state_dict(steps[min(k, len(steps)-1)].state_dict())
        step.fc_query.weight.data *= sharp
        step.fc_query.bias.data *= sharp
        edges.append(step.edges(x[one]))
        x = step(x).detach()
    edges = torch.stack(edges) if edges else torch.zeros(0)
    state = dict(depth=depth, sharpness=sharp, picture=one)
    return data,state,dict(edges=edges, nodes=x[one], apart=torch.stack(apart), scores=(x[:,0]@head+bias).sigmoid())

def band_case(g):
    b = pick(g, (2,3,6,9))
    degrees = (torch.rand(b, generator=g, dtype=torch.double)*360).requires_grad_()
    mode,measure = pick(g, MODES),pick(g, MEASURES)
    ranked = mode=='released' and measure!='cosine'
    lo = number(g, 0, .6)
    hi = number(g, lo+.01, 1 if ranked else 2)
    turn = degrees*math.pi/180
    loss = intra_modal(torch.stack([turn.cos(), turn.sin()], 1), measure, mode, 1., lo, hi)
    loss.backward()
    state = dict(points=degrees.tolist(), mode=mode, measure=measure, lo=lo, hi=hi)
    return {},state,dict(loss=loss, grad=degrees.grad*180/math.pi)

def gate_case(g):
    n = pick(g, (1,3,5))
    s,u = torch.rand(1, 2, generator=g, dtype=torch.double)*6-3,torch.rand(n, 2, generator=g, dtype=torch.double)*6-3
    state = dict(gate=number(g, 0, 1), form=pick(g, list(GATES)), scale=pick(g, ('yes','no')))
    common,weights = _read_units(s, u, state['scale']=='yes')
    gated = GATES[state['form']](state['gate'], s, common)
    return {},state|dict(style=s[0].tolist(), units=u.flatten().tolist()),dict(weights=weights, common=common, gated=gated)

def found_by(s, query, gallery):
    "What the page has to find, in numbers"
    hits = s.search(query, unseen=gallery=='new')
    return dict(scores=torch.tensor([x for _,x in hits]), rows=torch.tensor([r for r,_ in hits]))

def search_case(g):
    s,gallery = some_search(g),pick(g, ('all','new'))
    state = dict(query=some_text(g, s.words), gallery=gallery)
    return _search_data(s),state,found_by(s, **state)

def off(got, want):
    "Largest difference of two results, relative to the largest number of the right one"
    want = torch.as_tensor(want).detach().double().flatten()
    got = torch.tensor(got, dtype=torch.double).flatten()
    assert got.shape==want.shape and got.isfinite().all()
    return ((got-want).abs().max()/want.abs().max().clamp(min=1e-6)).item() if len(want) else 0.

@pytest.mark.parametrize('kind', kinds)
def test_the_page_computes_what_the_package_computes(kind, page):
    g = lots(kinds.index(kind))
    cases = [globals()[f'{kind}_case'](g) for _ in range(settings)]
    asked = json.loads(json.dumps([c[:2] for c in cases]))
    found = page.evaluate('([kind, cases]) => cases.map(([data, state]) => itrLabs[kind](data, state))', [kind, asked])
    worst = {}
    for got,(data,state,want) in zip(found, cases):
        for k,v in want.items():
            d = off(got[k], v)
            assert d<=tolerance, f'{k} is {got[k]}, not {v}, at {state}'
            worst[k] = max(worst.get(k, 0), d)
    print(kind, {k:f'{d:.1e}' for k,d in worst.items()})

@pytest.mark.parametrize('loss', ['hardest','sum'])
def test_a_gap_of_exactly_the_margin_costs_nothing_and_pulls_nothing(page, loss):
    "0.60 − 0.20 is less than 0.40 by rounding alone"
    preset = dict(scores=[.60,.20,.10,.90], ids=[0,1], images=['a','b'], captions=['a','b'])
    state = dict(preset='one', loss=loss, margin=.4, tau=.1, shared='no', scores=preset['scores'])
    asked = dict(presets=dict(one=preset)),state
    found = page.evaluate('([data, state]) => itrLabs.score(data, state)', json.loads(json.dumps(asked)))
    assert found['loss']==0 and not any(found['grad'])

def test_the_packaged_search_finds_in_the_page_what_it_finds_in_python(page):
    g,s = lots(7),WordSearch.load()
    states = [dict(query=some_text(g, [pick(g, s.words) for _ in range(8)]), gallery=pick(g, ('all','new'))) for _ in range(settings)]
    found = page.evaluate('([data, states]) => states.map(state => itrLabs.search(data, state))', [_search_data(s), states])
    worst = 0
    for got,state in zip(found, states):
        want = found_by(s, **state)
        worst = max(worst, off(got['scores'], want['scores']))
        assert worst<=tolerance and got['unknown']==s.unknown(state['query']), state
        assert torch.tensor(got['rows']).equal(want['rows']) or len(got['scores'])>1 and want['scores'].diff().abs().min()<1e-6, state
    assert sum(bool(f['rows']) for f in found)>settings/2
    print(f'packaged search: {worst:.1e}')

# What a reader does

def lab(page, kind, nth=0): return page.locator(f'.itr-lab[data-lab={kind}]').nth(nth)
def said(page, kind, nth=0): return lab(page, kind, nth).locator('.l-say').inner_text()
def wrong(page, kind): return lab(page, kind).locator('.l-wrong').inner_text()
def cell(page, row, column, nth=0): return lab(page, 'score', nth).get_by_label(f'row {row}, column {column}')

def test_every_lab_is_there(page, labs):
    for kind,one in zip(kinds, labs):
        assert lab(page, kind).locator('.l-ask').inner_text()==one.question
        assert lab(page, kind).locator('.l-still').count()==0 and len(said(page, kind))>20
    assert page.title()=='<b>Labs</b>'

def test_names_are_text_and_no_tags(page):
    assert lab(page, 'filter').locator('th', has_text='<b>').count()==1
    assert page.locator('.itr-lab b').count()==0

def test_a_typed_score_changes_loss_and_places(page):
    before = said(page, 'score')
    cell(page, 1, 2).fill('0,9')
    cell(page, 1, 2).press('Enter')
    assert said(page, 'score')!=before and 'places 2, 1, 1, 1' in said(page, 'score')
    assert said(page, 'score', 1)==before
    lab(page, 'score').get_by_role('button', name='Reset').click()
    assert said(page, 'score')==before

@pytest.mark.parametrize('text', ['NaN', 'Infinity', 'abc', '', '1e999', '<script>', '--1', '9'])
def test_nonsense_is_answered_by_a_sentence(page, text):
    before = said(page, 'score')
    cell(page, 2, 2).fill(text)
    cell(page, 2, 2).press('Tab')
    assert wrong(page, 'score').endswith('.') and 'row 2, column 2' in wrong(page, 'score')
    if text!='9': assert said(page, 'score')==before and cell(page, 2, 2).input_value()=='0.65'
    else: assert cell(page, 2, 2).input_value()=='1.00'
    cell(page, 2, 2).fill('.5')
    cell(page, 2, 2).press('Tab')
    assert wrong(page, 'score')=='' and 'Loss' in said(page, 'score')

def test_what_is_no_band_is_answered_by_a_sentence(page):
    hi = lab(page, 'band').get_by_role('textbox', name='upper edge')
    hi.fill('0')
    hi.press('Tab')
    assert 'below its upper one' in wrong(page, 'band')
    hi.fill('1.5')
    hi.press('Tab')
    assert wrong(page, 'band')==''
    lab(page, 'band').get_by_role('button', name='released code').click()
    assert 'fractions of the batch' in wrong(page, 'band')

def test_nothing_left_is_answered_by_a_sentence(page):
    for box in lab(page, 'filter').locator('input[type=checkbox]').all(): box.uncheck()
    assert 'switch a word on' in wrong(page, 'filter')
    lab(page, 'filter').get_by_role('button', name='all times 1').click()
    assert wrong(page, 'filter')==''

def test_a_setting_that_a_loss_does_not_read_is_not_shown(page):
    box = lab(page, 'score')
    margin,tau = box.get_by_role('slider', name='margin'),box.get_by_role('slider', name='temperature')
    for name,seen in (('InfoNCE', (False, True)), ('triplet, sum', (True, False))):
        box.get_by_role('button', name=name).click()
        assert (margin.is_visible(), tau.is_visible())==seen

def test_dragging_a_cell_moves_its_score(page):
    box = cell(page, 1, 3).bounding_box()
    x,y = box['x']+box['width']/2, box['y']+box['height']/2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x+60, y, steps=5)
    page.mouse.up()
    assert abs(float(cell(page, 1, 3).input_value())-.4)<.02

def words(page): return lab(page, 'search').get_by_role('textbox', name='words')
def shown(page): return [x.inner_text() for x in lab(page, 'search').locator('figcaption').all() if x.is_visible()]

def test_typing_words_finds_drawings(page):
    assert shown(page)[0].endswith('<b>lemon</b>') and 'Nobody trained this word: “an”' in said(page, 'search')
    words(page).fill('a SHOE')
    assert 'a shoe' in shown(page)[0] and '(never trained)' in shown(page)[0]
    assert lab(page, 'search').locator('.l-found img').first.get_attribute('alt')=='a shoe'
    lab(page, 'search').get_by_role('button', name='never trained').press('Enter')
    assert len(shown(page))==1
    lab(page, 'search').get_by_role('button', name='Reset').click()
    assert len(shown(page))==2 and words(page).input_value()=='an old lemon'

@pytest.mark.parametrize('text,answer', [
    ('', 'No word stands in the box'), (' \t?!… ', 'No word stands in the box'), ('NaN', 'Nobody trained this word: “nan”'),
    ('<img src=x onerror=alert(1)> <b>', 'Nobody trained these words: “img”'), ('zzz le', 'begin so: lemon'), ('x'*10_000, 'No trained word is left'),
    ('__proto__ constructor', 'Nobody trained these words'), ('\ud800 \u202e💩', 'No word stands in the box')])
def test_a_search_for_nothing_is_answered_by_a_sentence(page, text, answer):
    words(page).evaluate('(box, text) => { box.value = text; box.dispatchEvent(new Event("input", {bubbles:true})) }', text)
    assert answer in said(page, 'search') and shown(page)==[] and lab(page, 'search').locator('img[src=x]').count()==0
    assert wrong(page, 'search').startswith('Only the first 200 characters')==(len(text)>200)

def test_words_live_in_the_address(file, chromium, page):
    words(page).fill('shoe ~ & =%7E <b> née')
    page.wait_for_timeout(300)
    again = opened(chromium, file, '?'+page.url.partition('?')[2])
    assert said(again, 'search')==said(page, 'search') and shown(again)==shown(page) and not wrong(again, 'search')
    again.context.close()

@pytest.mark.parametrize('kind,name', [('band','point 1'), ('gate','style')])
def test_points_are_moved_by_mouse_and_keys(page, kind, name):
    point = lab(page, kind).get_by_label(name, exact=True)
    def place(): return [float(point.get_attribute(k)) for k in ('cx', 'cy')]
    before = place()
    point.scroll_into_view_if_needed()
    at = point.bounding_box()
    x,y = at['x']+at['width']/2, at['y']+at['height']/2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x-30, y+60, steps=4)
    page.mouse.up()
    dragged = place()
    for _ in range(3): point.press('ArrowUp')
    assert before!=dragged!=place()

def test_arrow_keys_move_a_slider(page):
    lab(page, 'attention').get_by_role('slider').focus()
    before = said(page, 'attention')
    page.keyboard.press('ArrowRight')
    assert said(page, 'attention')!=before

def test_settings_live_in_the_address(file, chromium, page):
    cell(page, 1, 2).fill('.8')
    cell(page, 1, 2).press('Tab')
    lab(page, 'score').get_by_role('button', name='InfoNCE').click()
    lab(page, 'score', 1).get_by_role('button', name='chance').click()
    lab(page, 'gate').get_by_role('button', name='g·(s + c)').click()
    now = [said(page, *which) for which in (('score',), ('score',1), ('gate',))]
    page.wait_for_timeout(300)
    again = opened(chromium, file, '?'+page.url.partition('?')[2])
    assert [said(again, *which) for which in (('score',), ('score',1), ('gate',))]==now
    again.context.close()
    for kind,nth in (('score',0), ('score',1), ('gate',0)): lab(page, kind, nth).get_by_role('button', name='Reset').click()
    page.wait_for_timeout(300)
    assert '?' not in page.url

@pytest.mark.parametrize('query', ['?score=margin.NaN~zzz.1', '?score=scores.1_2', '?score=preset.__proto__', '?score=%3Cscript%3E'])
def test_an_address_that_nobody_wrote_is_answered_by_a_sentence(file, chromium, query):
    page = opened(chromium, file, query)
    assert 'does not know' in wrong(page, 'score') and 'Loss' in said(page, 'score') and not page.wrong
    page.context.close()

@pytest.mark.parametrize('width', [1400, 420])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_widths_and_schemes(file, chromium, width, scheme):
    page = opened(chromium, file, viewport=dict(width=width, height=900), color_scheme=scheme)
    assert page.evaluate('document.documentElement.scrollWidth')<=width
    ink,paper = page.evaluate("""(() => { const s = getComputedStyle(document.querySelector('.itr-lab')); return [s.color, s.backgroundColor].map(c => Math.max(...c.match(/\\d+/g).map(Number))) })()""")
    assert (ink<paper)==(scheme=='light') and abs(ink-paper)>150
    for kind in kinds: lab(page, kind).get_by_role('button', name='Reset').click()
    assert not page.wrong
    page.context.close()

def test_touch_moves_a_slider_and_a_button(file, chromium):
    page = opened(chromium, file, viewport=dict(width=420, height=900), has_touch=True, is_mobile=True)
    before = said(page, 'score')
    lab(page, 'score').get_by_role('button', name='collapse').tap()
    assert said(page, 'score')!=before and not page.wrong
    page.context.close()

def test_without_scripts_the_picture_stays(file, chromium):
    page = opened(chromium, file, java_script_enabled=False)
    assert page.locator('.l-still').count()==8 and page.locator('.l-still').first.is_visible()
    page.context.close()

def test_print_is_grey(file, chromium):
    page = opened(chromium, file)
    page.emulate_media(media='print')
    colours = page.evaluate("getComputedStyle(document.querySelector('.itr-lab')).getPropertyValue('--right')+getComputedStyle(document.querySelector('.itr-lab')).getPropertyValue('--tint')")
    assert colours.replace(' ', '')=='#00090,90,90'
    page.context.close()

def test_the_built_in_search_lab_is_under_three_megabytes():
    lab = search_lab()
    assert len(lab._repr_html_().encode())<3_000_000 and 'Google, Apache-2.0' in lab.credit

def test_labs_are_small(labs):
    for one in labs: assert len(one._repr_html_().encode())<400_000
