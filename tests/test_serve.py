"The search page in Chromium: words are answered as they are typed, a picture by its like, by keyboard too, on a phone's width, from nobody else"
import threading
from pathlib import Path

import pytest
from benchmarks.index import a_run
from playwright.sync_api import expect
from test_site import chromium

from itr_nb.run import Index
from itr_nb.run.serve import serve

pytestmark = pytest.mark.xdist_group('site') # one browser for all files

@pytest.fixture(scope='module')
def address(tmp_path_factory):
    d = Path(tmp_path_factory.mktemp('serve'))
    index = Index.build(a_run(d, 64), d/'data', d/'index', progress=False)
    told,ready = [],threading.Event()
    def said(line):
        told.append(line)
        ready.set()
    threading.Thread(target=serve, args=(index,), kwargs=dict(port=0, said=said), daemon=True).start()
    assert ready.wait(60)
    return told[0]

def test_the_page_answers(address, chromium):
    context = chromium.new_context(viewport=dict(width=360, height=700))
    page = context.new_page()
    wrong = []
    page.on('pageerror', lambda e: wrong.append(str(e)))
    page.on('request', lambda r: r.url.startswith(address) or wrong.append(r.url))
    page.goto(address)
    with page.expect_response(lambda r: 'words=a%20red%20circle&' in r.url): page.keyboard.type('a red circle')
    expect(page.locator('#how')).to_contain_text('by the cosine', timeout=30_000)
    assert page.locator('figure').count()==54
    assert page.locator('figure img').first.evaluate('e => e.decode().then(() => e.naturalWidth)')>0
    first = page.locator('figcaption').nth(0).inner_text()
    page.locator('figure a').nth(0).focus()
    page.keyboard.press('ArrowRight')
    page.keyboard.press('l')
    expect(page.locator('figure')).to_have_count(53, timeout=30_000)
    assert first.split(' · ')[1] in [t.split(' · ')[1] for t in page.locator('figcaption').all_inner_texts()]
    assert not page.evaluate('document.documentElement.scrollWidth > window.innerWidth')
    context.close()
    assert not wrong, wrong
