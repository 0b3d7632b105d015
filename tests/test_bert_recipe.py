"The recipe of the paper's own setting from end to end: a BERT in a folder, precomputed regions with boxes, `itr train`, and what it leaves"
import os,subprocess,sys
from pathlib import Path

import numpy as np
import pytest
import torch
from common import root
from itr_nb.train.learner import Callback
from itr_nb.build import build_learner,model_for,prepare
from itr_nb.data import open_data
from itr_nb.recipe import load_recipe
from itr_nb.core import read_json
from itr_nb.run import Run

COLOURS,THINGS = ['red','green','blue','white'],['dog','cat','ball']
SMALL = ['model.dim=16', 'model.layers=1', 'model.style_layers=2', 'model.units=4', 'train.batch_size=8', 'train.epochs=8', 'train.lr=3e-3', 'train.lr_pretrained=1e-3']

def save_bert(folder):
    "An untrained BERT of two layers whose pieces are the words of the toy captions, with its tokenizer"
    from transformers import BertConfig,BertModel,BertTokenizer
    pieces = ['[PAD]','[UNK]','[CLS]','[SEP]','[MASK]','a','here','is','the','there','look','at',*COLOURS,*THINGS]
    folder.mkdir()
    (folder/'vocab.txt').write_text('\n'.join(pieces), encoding='utf-8')
    BertTokenizer(str(folder/'vocab.txt'), model_max_length=16).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(pieces), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=16)).save_pretrained(folder)

def save_precomp(folder):
    "Twelve things in two places each in the layout of f30k_precomp: a row a picture, five captions a row, boxes in pixels and sizes"
    folder.mkdir()
    rng,looks = np.random.default_rng(0),{w:x for w,x in zip(COLOURS+THINGS, np.random.default_rng(1).normal(size=(7,12)))}
    for split,n in (('train',24), ('dev',12), ('test',12)):
        kinds = [(COLOURS[i%4], THINGS[i%3]) for i in range(n)]
        regions = np.stack([[looks[c]+looks[t], looks[t], rng.normal(size=12)] for c,t in kinds])+.1*rng.normal(size=(n,3,12))
        corners = rng.uniform(0, 100, size=(n,3,2))
        np.save(folder/f'{split}_ims.npy', regions.astype(np.float32))
        np.save(folder/f'{split}_boxes.npy', np.concatenate([corners, corners+rng.uniform(20, 100, size=(n,3,2))], -1).astype(np.float32))
        np.save(folder/f'{split}_img_sizes.npy', np.full((n,2), 200))
        (folder/f'{split}_caps.txt').write_text('\n'.join(f'{start}the {c} {t}' for c,t in kinds for start in ('', 'look at ', 'here is ', 'there is ', 'a a '))+'\n', encoding='utf-8')

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    d = tmp_path_factory.mktemp('bert')
    save_bert(d/'bert'); save_precomp(d/'toy_precomp')
    return d

def itr(place, *args):
    env = {**os.environ, 'ITR_NB_HOME':str(place/'cache'), 'OMP_NUM_THREADS':'1', 'HF_HUB_OFFLINE':'1', 'PYTHONPATH':str(root)}
    r = subprocess.run([Path(sys.executable).with_name('itr'), *map(str, args)], cwd=place, text=True, capture_output=True, timeout=300, env=env)
    assert r.returncode==0, r.stdout+r.stderr
    return r.stdout

def test_train_eval_search(place):
    changes = [f'text.name={place/"bert"}', *SMALL]
    said = itr(place, 'train', 'ckstn-f30k', '--data', 'toy_precomp', '--out', 'run', *(x for c in changes for x in ('--set', c)))
    assert 'RSUM' in said and 'untrained' in said
    run = Run.load(place/'run')
    rows = read_json(run.folder/'report.json')['rows']
    assert rows['ckstn-f30k']['rsum']>rows['untrained']['rsum']+100, rows
    assert [run.model.config[k] for k in ('vocab_size', 'image_dim')]==[19, 12] and run.model.config['bert']['hidden_size']==16
    (place/'bert').rename(place/'elsewhere')
    try:
        assert 'RSUM' in itr(place, 'eval', 'run')
        assert len(itr(place, 'search', 'run', 'the red dog', '-k', '3').splitlines())==3
    finally: (place/'elsewhere').rename(place/'bert')

class Stop(Callback):
    "Save after the first epoch, and end there"
    def __init__(self, path): self.path = path
    def after_epoch(self, learner): learner.save(self.path); learner.stop = True

def test_resume_with_two_rates(place):
    changes = {'model.dim':16, 'model.layers':1, 'model.units':4, 'text.name':str(place/'bert'), 'train.batch_size':8, 'train.epochs':2, 'train.lr':3e-3, 'train.lr_pretrained':1e-3}
    recipe = load_recipe('ckstn-f30k', changes)
    data = prepare(recipe, open_data(str(place/'toy_precomp')), home=place/'cache', progress=False)
    def learner(*callbacks): return build_learner(recipe, model_for(recipe, data), data, callbacks=callbacks)
    whole,half,again = learner().fit(2),learner(Stop(place/'half.safetensors')).fit(2),learner()
    again.fit(2, resume=place/'half.safetensors')
    assert (half.step, again.step)==(15, 30)==(whole.step//2, whole.step) and [g['lr'] for g in again.optimizer.param_groups]==[g['lr'] for g in whole.optimizer.param_groups]
    for (name,a),b in zip(whole.model.named_parameters(), again.model.parameters()): assert torch.equal(a, b), name
