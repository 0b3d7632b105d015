"Real photographs with sentences, read in Karpathy's layout; nothing of them is kept"
import csv
import json
import random
import shutil
import tempfile
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common import root,shared
from itr_nb.data.batches import _collate,PairDataset,RetrievalData
from itr_nb.data.readers import read_karpathy
from itr_nb.data.vocab import Vocab
from itr_nb.judge.report import evaluate,validator
from itr_nb.build import build_learner,model_for,prepare
from itr_nb.data import open_data
from itr_nb.recipe import load_recipe
from itr_nb.shelf import RECALLS
from itr_nb.core import read_json
from itr_nb.run import evaluate_runs,train
from itr_nb.run.folder import with_val
from itr_nb.train.callbacks import BestSnapshotCB
from itr_nb.judge.unimodal import judge_split

def small(im):
    "An image as 8 x 8 pixels"
    return torch.from_numpy(np.array(im.resize((8,8)))).permute(2,0,1).float()/255

@pytest.fixture(scope='module')
def splits():
    folder = shared('data/coco_mini')
    return read_karpathy(folder/'dataset_coco_mini.json', folder)

def test_counts(splits):
    assert {s:(len(p.images), len(p)) for s,p in splits.items()}=={'train':(600,3000), 'val':(201,1000)}
    per_image = [len(p.captions_of(i)) for p in splits.values() for i in range(len(p.images))]
    assert sum(n==5 for n in per_image)==797 and min(per_image)>=2 and max(per_image)<=6

def test_every_caption_has_its_image(splits):
    for p in splits.values():
        rows = sorted(j for i in range(len(p.images)) for j in p.captions_of(i).tolist())
        assert rows==list(range(len(p)))
        assert len(set(p.image_id.tolist()))==len(p.images)==len(set(p.image_names))
        assert all(str(i) in name for i,name in zip(p.image_id.tolist(), p.image_names)), 'image ids are the numbers in the file names'
    assert not set(splits['train'].image_id.tolist()) & set(splits['val'].image_id.tolist())

def test_the_folder_of_images_itself_will_do(splits):
    folder = shared('data/coco_mini')
    assert read_karpathy(folder/'dataset_coco_mini.json', folder/'images')['val'].fingerprint()==splits['val'].fingerprint()

def test_images_open(splits):
    for p in splits.values():
        for i in range(0, len(p.images), 25):
            im = p.images[i]
            assert im.mode=='RGB' and min(im.size)==256

def test_batches(splits):
    vocab = Vocab.build(splits['train'].captions)
    assert 500<len(vocab)<1500
    known = [3 not in vocab.encode(c) for c in splits['val'].captions]
    assert .1<np.mean(known)<.9, 'some captions of the other split have unknown words, and some have none'
    data = RetrievalData(splits, vocab, batch_size=16, image_transform=(small,small))
    assert data.steps_per_epoch==188
    b = next(iter(data.train_loader(0)))
    train = splits['train']
    assert b.pixels.shape==(16,3,8,8) and b.tokens.shape==b.word_mask.shape
    assert b.image_id.tolist()==train.image_of[b.caption_id.numpy()].tolist()
    j = int(b.caption_id[0])
    assert b.tokens[0][b.word_mask[0]].tolist()==vocab.encode(train.captions[j])
    assert torch.equal(b.pixels[0], small(train.images[train.row_of_image_id[int(b.image_id[0])]]))
    assert _collate([PairDataset(splits['val'], vocab, small)[0]]).image_id.tolist()==[int(splits['val'].image_of[0])]

def test_first_captions_only(splits):
    folder = shared('data/coco_mini')
    four = read_karpathy(folder/'dataset_coco_mini.json', folder, captions_per_image=4)
    assert [len(four[s]) for s in ('train','val')]==[600*4, 199*4+2+3]

def trial_json(path):
    "The 201 validation photographs as test, every tenth of the 600 for training as validation: nothing is chosen on what is reported"
    full = json.loads((shared('data/coco_mini')/'dataset_coco_mini.json').read_text(encoding='utf-8'))
    train = [im for im in full['images'] if im['split']=='train']
    for im in full['images']: im['split'] = 'train' if im['split']=='train' else 'test'
    for im in train[::10]: im['split'] = 'val'
    path.write_text(json.dumps(full), encoding='utf-8')
    return path

def trial(folder, text='minilm', seed=0):
    "Train `dual-photos` on 540 photographs, report on 201 others"
    changes = {'train.seed':seed, 'text.encoder':text, **({'text.min_count':2} if text=='gru' else {})}
    run = train(load_recipe('dual-photos', changes), str(trial_json(folder/'trial.json')), folder/f'{text}-{seed}', images=shared('data/coco_mini')/'images', progress=False)
    return read_json(run.folder/'report.json')['rows']

@pytest.mark.slow
def test_trial(tmp_path):
    for text,at_least in (('minilm', 280), ('gru', 150)):
        rows = [trial(tmp_path, text, seed) for seed in range(3)]
        rsum = [r['dual-photos']['rsum'] for r in rows]
        print(f'{text}: RSUM {np.mean(rsum):.1f} ± {np.std(rsum, ddof=1):.1f}; untrained', [round(r['untrained']['rsum'], 1) for r in rows], 'chance', round(rows[0]['chance']['rsum'], 1))
        for k in rows[0]['dual-photos']: print(' ', k, f"{np.mean([r['dual-photos'][k] for r in rows]):.1f} ± {np.std([r['dual-photos'][k] for r in rows], ddof=1):.1f}")
        assert min(rsum)>at_least

trials = tomllib.loads((root/'itr_nb'/'imc'/'results.toml').read_text(encoding='utf-8'))

@pytest.mark.slow
@pytest.mark.parametrize('row', [r for r in trials['trial']+trials['fresh']+trials['lot'] if r['data']=='coco_mini'], ids=lambda r: f"{r['mode']}-{r['measure']}-{r['lam']:.3g}{'-fresh'*('seeds' in r)}{'-lots'*('lots' in r)}")
def test_imc_trial(row, tmp_path):
    "A row of the trials that the page imc/03_paper shows, made again with all its seeds"
    changes = trials['changes']['coco_mini'] | {'train.hinge_warmup':row['warmup']} | {f'loss.imc.{k}':row[k] for k in ('measure','mode','lam','lots') if k in row}
    splits = open_data(str(trial_json(tmp_path/'trial.json')), shared('data/coco_mini')/'images')
    data = prepare(load_recipe('imc-emoji', changes), splits, progress=False)
    rsum = []
    for data.seed in row.get('seeds', range(5)):
        recipe = load_recipe('imc-emoji', changes | {'train.seed':data.seed})
        model = model_for(recipe, data)
        build_learner(recipe, model, data).fit(recipe.train.epochs)
        rsum.append(evaluate(model, data, 'test', draws=0).metrics['rsum'])
    print([round(x, 1) for x in rsum], 'recorded', row['rsum'])
    assert abs(np.mean(rsum)-np.mean(row['rsum']))<8, 'another processor sums in another order, and training spreads that to a seed of its own'

soft = tomllib.loads((root/'itr_nb'/'cusa'/'results.toml').read_text(encoding='utf-8'))

def photos_with_teachers(changes):
    "500 photographs to train on, 100 on which weights were chosen, the 201 of the other split to judge; teachers' means and features of all 600"
    recipe = load_recipe('cusa-dual-scenes', changes)
    folder = shared('data/coco_mini')
    data = prepare(recipe, open_data(str(folder/'dataset_coco_mini.json'), folder/'images'), progress=False)
    rows = np.random.default_rng(0).permutation(len(data.splits['train'].images))
    train,test = data.splits['train'],data.splits['val']
    data.splits = {'train':train.subset(rows[:500]), 'val':train.subset(rows[500:]), 'test':test}
    return data

def unlike(pairs):
    "The same pairs whose teachers find every item unlike every other: they know nothing"
    eye = lambda n: list(np.eye(n, dtype=np.float32))
    return replace(
        pairs, image_fields=pairs.image_fields|dict(teacher_image=eye(len(pairs.images))),
        caption_fields=pairs.caption_fields|dict(teacher_text=eye(len(pairs))))

@pytest.mark.slow
@pytest.mark.parametrize('row', soft['trial']+soft['control'], ids=lambda r: f"{r['name']}, {len(r['rsum'])} seeds")
def test_soft_labels(row):
    "A row of the tables of photographs in cusa/06_paper, made again with its seeds"
    data,out = photos_with_teachers(soft['changes']),{k:[] for k in soft['measures']}
    if row.get('teacher')=='identity': data.splits['train'] = unlike(data.splits['train'])
    for data.seed in range(len(row['rsum'])):
        recipe = load_recipe('cusa-dual-scenes', soft['changes']|{'train.seed':data.seed})
        recipe.loss = {k:v for k,v in recipe.loss.items() if k=='infonce' or k in row['terms']}
        if 'tau' in row: recipe.loss['infonce'] = recipe.loss['infonce']|dict(tau=row['tau'])
        model = model_for(recipe, data)
        build_learner(recipe, model, data).fit(recipe.train.epochs)
        numbers = judge_split(model, data, draws=0).metrics()
        for k,v in out.items(): v.append(round(numbers[k], 1))
    print(row['name'], out)
    assert abs(np.mean(out['rsum'])-np.mean(row['rsum']))<8, 'as above'

WORDS = {'cosine':'dual-gru-emoji', 'SAF':'sgraf-saf-emoji', 'SGR':'sgraf-sgr-emoji', 'CKSTN':'ckstn-emoji', 'CKSTN, no CKO':'ckstn-emoji+no-cko'}

def trial_of_words(folder, seed=0):
    "Rows of models that compare words with the nine cells of a photograph, of the cosine, and of the mean of SGR and SAF: a biGRU from scratch, ten epochs of summed hinges; photographs as in `trial`"
    spec,images = str(trial_json(folder/'trial.json')),shared('data/coco_mini')/'images'
    changes = {'train.epochs':10, 'train.hinge_warmup':10, 'train.batch_size':64, 'train.seed':seed}
    runs = {m:train(load_recipe(r, changes), spec, folder/f'{m}-{seed}', images=images, progress=False) for m,r in WORDS.items()}
    return {m:run.evaluate().metrics for m,run in runs.items()}|{'SGR + SAF':evaluate_runs([runs['SGR'], runs['SAF']]).metrics}

@pytest.mark.slow
def test_trial_of_words(tmp_path):
    "The rows that the pages of SGRAF and CKSTN show, made again"
    recorded = tomllib.loads((root/'results'/'words_trial.toml').read_text(encoding='utf-8'))['row']
    got = trial_of_words(tmp_path)
    for r in recorded:
        print(r['model'], ' | '.join(f"{k} {got[r['model']][k]:.1f} ({r[k]:.1f})" for k in (*RECALLS,'rsum')))
        assert abs(got[r['model']]['rsum']-r['rsum'])<15, 'another processor sums in another order, and training spreads that to a seed of its own'

BEFORE = {'image.size':224, 'model.dim':256, 'loss.infonce.tau':.05, 'loss.infonce.learn':True, 'train.epochs':12, 'train.schedule':'cosine', 'train.warmup':.1}
STARTS = {'two trained heads':('dual-emoji', BEFORE), 'linear-photos':('linear-photos', {}), 'dual-photos':('dual-photos', {})}

def some_photos(n, seed):
    "So many of the 600 photographs at random, a part of them held out for validation, and the 201 on which nothing was chosen"
    folder = shared('data/coco_mini')
    full = open_data(str(folder/'dataset_coco_mini.json'), folder/'images')
    data = prepare(load_recipe('dual-photos'), full, progress=False)
    rows = np.random.default_rng(seed).permutation(len(full['train'].images))[:n]
    parts = with_val({'train':full['train'].subset(rows)})
    names = {k:set(p.image_names) for k,p in parts.items()}
    whole = data.splits['train']
    data.splits = {s:whole.subset([i for i in rows if whole.image_names[i] in names[s]]) for s in parts}|{'test':data.splits['val']}
    data.seed = seed
    return data

def start_trial(model, n, seed):
    "Sum of recalls, chance apart, and seconds of training once the features are there, of one way to start on `n` photographs"
    data,(name,changes) = some_photos(n, seed),STARTS[model]
    recipe = load_recipe(name, changes|{'train.seed':seed})
    net = model_for(recipe, data)
    begin = time.perf_counter()
    net.solve(data)
    if recipe.train.epochs:
        with tempfile.TemporaryDirectory() as d:
            best = BestSnapshotCB(Path(d)/'best.safetensors')
            build_learner(recipe, net, data, validator(data), [best]).fit(recipe.train.epochs)
    seconds = time.perf_counter()-begin
    return dict(model=model, pictures=n, seed=seed, rsum=round(evaluate(net, data, 'test', draws=0).metrics['rsum'], 1), seconds=round(seconds, 1))

@pytest.mark.slow
@pytest.mark.parametrize('model', STARTS)
def test_starts_by_number(model):
    "The rows that the lesson on one's own photographs shows, made again"
    rows = tomllib.loads((root/'itr_nb'/'photos.toml').read_text(encoding='utf-8'))['row']
    for r in rows:
        if r['model']!=model: continue
        got = start_trial(model, r['pictures'], r['seed'])
        print(got, r['rsum'])
        assert abs(got['rsum']-r['rsum'])<15, 'another processor sums in another order, and training spreads that to a seed of its own'

def of_photos(kind): return tomllib.loads((root/'itr_nb'/'photos.toml').read_text(encoding='utf-8'))[kind]

def few_trial(n, captions, seed):
    "Share of sentences whose picture is among the first ten of the 201, solved from `n` photographs with so many sentences each"
    data = some_photos(n, seed)
    if captions==1: data.splits = {s:p if s=='test' else p.first(1) for s,p in data.splits.items()}
    net = model_for(load_recipe('linear-photos'), data)
    net.solve(data)
    return evaluate(net, data, 'test', draws=0).metrics['t2i_r10']

@pytest.mark.slow
@pytest.mark.parametrize('captions', [1, 5])
def test_few_by_number(captions):
    "Rows of the lesson's first table, made again"
    for r in of_photos('few'):
        if r['captions']==captions: assert abs(few_trial(r['pictures'], captions, r['seed'])-r['t2i_r10'])<2, r

@pytest.mark.slow
def test_a_small_test_flatters(tmp_path):
    "One run, judged on the 15 pictures of its own test and on the 201"
    folder,photos = shared('data/coco_mini'),tmp_path/'photos'
    photos.mkdir()
    train_images = [x for x in read_json(folder/'dataset_coco_mini.json')['images'] if x['split']=='train']
    some = random.Random(0).sample(train_images, 150)
    for x in some: shutil.copy(folder/'images'/x['filename'], photos)
    with open(photos/'captions.csv', 'w', newline='') as table:
        csv.writer(table).writerows([('file', 'caption'), *((x['filename'], x['sentences'][0]['raw']) for x in some)])
    run = train(load_recipe('linear-photos'), photos, tmp_path/'run', progress=False)
    reports = run.evaluate(),run.evaluate(str(folder/'dataset_coco_mini.json'), folder/'images', split='val')
    for r,got in zip(of_photos('gallery'), reports):
        assert abs(got.metrics['t2i_r10']-r['t2i_r10'])<2, r
