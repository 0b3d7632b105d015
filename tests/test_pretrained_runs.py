"CLIP and BLIP from a folder, by the recipe: trained with and without soft labels, reported, searched, stopped and resumed, and opened without the folder they came from"
import itertools,json

import pytest
import torch
from pages.test_cusa_clip import tiny_clip
from pages.test_cusa_fusion import tiny_blip
from PIL import Image
from typer.testing import CliRunner

from itr_nb.cli import app
from itr_nb.core import ArgumentError,read_json
from itr_nb.judge.report import encode_split
from itr_nb.recipe import load_recipe
from itr_nb.run import evaluate_runs,Run,train
from itr_nb.train.callbacks import CheckpointCB

TEACHERS = {'teacher.image':'efficientnet-lite0', 'teacher.text':'minilm', 'teacher.size':32, 'teacher.centre':'image'}
RECIPES = [f'{kind}{v}' for kind in ('clip-b32-f30k', 'blip-f30k') for v in ('', '+csa', '+usa', '+cusa')]

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "Eighteen squares of one colour with two captions each, and a folder with a small CLIP and a small BLIP"
    d = tmp_path_factory.mktemp('pretrained')
    (d/'photos').mkdir()
    lines = ['image,caption,split']
    for k,(r,g,b) in enumerate(itertools.product((20,120,220), (30,200), (10,100,180))):
        Image.new('RGB', (40,40), (r,g,b)).save(d/'photos'/f'{k}.png')
        colour,split = 'red' if r>g else 'green' if g>b else 'blue',('train','train','val','test')[k%4]
        lines += [f"{k}.png,a {'dark' if r+g<200 else 'pale'} {colour} square{' square'*(k%3)},{split}", f'{k}.png,{colour},{split}']
    (d/'photos'/'captions.csv').write_text('\n'.join(lines))
    tiny_clip(d/'clip'); tiny_blip(d/'blip')
    return d

def recipe(place, name, epochs=2, **changes):
    soft = TEACHERS if '+' in name else {}
    return load_recipe(name, {'model.name_or_folder':str(place/name[:4]), 'train.epochs':epochs, 'train.batch_size':4, 'train.workers':0, 'train.lr':1e-3}|soft|changes)

def trained(place, name, out, epochs=2, **kw): return train(recipe(place, name, epochs), str(place/'photos'), out, home=place/'cache', progress=False, **kw)
def rows(run): return read_json(run.folder/'report.json')['rows'][run.recipe.name]
def same_weights(a, b): return all(torch.equal(x, b.state_dict()[k]) for k,x in a.state_dict().items())

@pytest.mark.parametrize('name', RECIPES)
def test_a_run_needs_nothing_but_its_folder(name, place, tmp_path):
    run = trained(place, name, tmp_path/'run')
    terms = json.loads((run.folder/'metrics.jsonl').read_text().splitlines()[0])
    assert {'infonce', *(['itm'] if 'blip' in name else []), *run.recipe.loss}<=terms.keys()
    kept,uni = run.model.state_dict(),run.judge().unimodal
    moved = tmp_path/'model'
    (place/name[:4]).rename(moved)
    try:
        again = Run.load(run.folder, place/'cache')
        assert again.evaluate().metrics==rows(run) and again.judge().unimodal==uni and uni
        hits = again.search('a red square', k=3)
        assert len(hits)==3 and hits[0].score>=hits[-1].score and hits[0].name.endswith('.png')
        assert len(again.search(place/'photos'/'3.png', k=99))==36
    finally: moved.rename(place/name[:4])
    assert all(torch.equal(x, again.model.state_dict()[k]) for k,x in kept.items())
    heads = {k.split('.')[1] for k in kept if k.startswith(('heads.','own_heads.'))}
    want = {'image','text'} if 'blip' in name else {'image_cross','text_cross','image_uni','text_uni'}
    assert heads==(want if 'usa' in name else {k for k in want if 'cross' in k})

class Stopped(Exception): pass

@pytest.mark.parametrize('name', ['clip-b32-f30k+cusa', 'blip-f30k+cusa'])
def test_stopped_and_resumed(name, place, tmp_path, monkeypatch):
    whole = trained(place, name, tmp_path/'whole', epochs=3)
    def stop(self, learner, after=CheckpointCB.after_epoch):
        after(self, learner)
        if learner.epoch==1: raise Stopped
    with monkeypatch.context() as m:
        m.setattr(CheckpointCB, 'after_epoch', stop)
        with pytest.raises(Stopped): trained(place, name, tmp_path/'part', epochs=3)
    with pytest.raises(ArgumentError, match='holds an interrupted run'): trained(place, name, tmp_path/'part', epochs=3)
    rest = trained(place, name, tmp_path/'part', epochs=3, resume=True)
    assert rows(rest)==rows(whole) and same_weights(whole.model, rest.model)

def test_fusion_reads_the_shortlist_again(place, tmp_path):
    run = trained(place, 'blip-f30k', tmp_path/'run')
    one,two = run.evaluate(),run.evaluate(rerank=99)
    assert one.metrics!=two.metrics
    order = [h.name for h in run.search('blue', k=4)]
    scored = []
    with torch.no_grad():
        text = run.model.encode_text(run.inputs.batch(texts=['blue']))
        for s,p in run.data.splits.items():
            images,_ = encode_split(run.model, run.data, s)
            for k,n in enumerate(p.image_names):
                one = images[k:k+1]
                scored.append((-(run.model.score(one, text)[0,0]+run.model.match(one, text)[0,1]).item(), n))
    assert order==[n for _,n in sorted(scored)[:4]]
    other = trained(place, 'clip-b32-f30k', tmp_path/'clip', epochs=1)
    with pytest.raises(ArgumentError, match='second stage'): other.evaluate(rerank=5)
    with pytest.raises(ArgumentError, match='second stage'): evaluate_runs([run, run], rerank=5)

def test_from_the_command_line(place, tmp_path, monkeypatch):
    monkeypatch.setenv('ITR_NB_HOME', str(place/'cache'))
    sets = {'model.name_or_folder':place/'blip', 'train.epochs':1, 'train.batch_size':4, 'train.workers':0}
    def itr(*args):
        r = CliRunner().invoke(app, [str(a) for a in args])
        assert r.exit_code==0, r.output
        return r.output
    itr('train', 'blip-f30k', '--data', place/'photos', '--out', tmp_path/'run', *(x for k,v in sets.items() for x in ('--set', f'{k}={v}')))
    plain,again = (json.loads(itr('eval', tmp_path/'run', '--json', *more)) for more in ((), ('--rerank', 50)))
    assert plain.keys()==again.keys() and plain!=again
    assert itr('search', tmp_path/'run', 'a red square', '-k', 2).count('.png')==2

def test_refused(place, tmp_path):
    with pytest.raises(ArgumentError, match="own"): recipe(place, 'clip-b32-f30k', **{'text.encoder':'minilm'})
    gone = recipe(place, 'clip-b32-f30k', **{'model.name_or_folder':str(tmp_path/'none')})
    with pytest.raises(ArgumentError, match='name_or_folder: expected a file or folder that is there'): train(gone, str(place/'photos'), tmp_path/'run', progress=False)
    assert not (tmp_path/'run').exists()
