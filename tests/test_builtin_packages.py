"The packaged encoders on photographs, and those that are no core dependency where they are installed"
import json,os,subprocess,sys
from collections import Counter

import pytest
import torch
from common import shared
from PIL import Image

from itr_nb.workshop.packaged import efficientnet_lite,_LITE_VARIANTS,mpnet

def installed(make, *args, **kw):
    "The model, or skip where its package is not installed"
    try: return make(*args, **kw)
    except FileNotFoundError as e: pytest.skip(str(e))

@pytest.mark.parametrize('variant', _LITE_VARIANTS)
def test_names_photographs(variant):
    "Photographs whose captions agree on an animal or dish that is a class of ImageNet get that class"
    folder,net = shared('data/coco_mini'),installed(efficientnet_lite, variant)
    images = json.loads((folder/'dataset_coco_mini.json').read_text(encoding='utf-8'))['images']
    classes = {'zebra':{340}, 'elephant':{101,385,386}, 'pizza':{963}, 'broccoli':{937}}
    right,n = Counter(),Counter()
    for word,ids in classes.items():
        found = [im for im in images if sum(word in s['raw'].lower() for s in im['sentences'])>=4][:8]
        with torch.inference_mode(): best = net.logits(net.preprocess([Image.open(folder/'images'/im['filename']) for im in found])).argmax(1)
        right[word],n[word] = sum(b in ids for b in best.tolist()),len(found)
    assert n.total()>=12
    assert right.total()>=.6*n.total(), (right, n)

@pytest.mark.parametrize('variant,size,sure', [(1, 240, .81), (2, 260, .72)])
def test_larger_variants(variant, size, sure):
    "The drawn traffic light of the page, as sure as when the page was written"
    from pages.test_workshop_packaged import traffic_light
    net = installed(efficientnet_lite, variant)
    assert net.size==size
    with torch.inference_mode(): p = net.logits(net.preprocess([traffic_light()])).softmax(1)[0]
    assert p.argmax()==920 and abs(float(p[920])-sure)<.01

def test_mpnet(tmp_path, monkeypatch):
    "Joined once into the cache, then read from there; sentences that say the same are near"
    monkeypatch.setenv('ITR_NB_HOME', str(tmp_path))
    model = installed(mpnet)
    folder = tmp_path/'models'/'all-mpnet-base-v2'
    made = (folder/'model.safetensors').stat().st_mtime_ns
    x,mask = model.encode(['two dogs run over grass', 'a pair of puppies playing in a park', 'a jet is taking off'])
    assert x.shape==(3,1,768) and mask.all() and model.dim==768
    cos = x[:,0]@x[:,0].T
    assert torch.allclose(cos.diagonal(), torch.ones(3), atol=1e-4) and cos[0,1]>cos[0,2]+.2
    assert mpnet(pooled=False).fingerprint!=model.fingerprint
    assert (folder/'model.safetensors').stat().st_mtime_ns==made and [p.name for p in folder.parent.iterdir()]==['all-mpnet-base-v2']

def test_minilm_never_asks_the_network():
    "Without any setting that forbids it, and with an empty cache of the hub"
    code = """
import socket,tempfile,os
os.environ['HF_HOME'] = tempfile.mkdtemp()
asked = []
def refuse(self, address): asked.append(address); raise OSError('no network')
socket.socket.connect = refuse
def no_name(*a, **kw): asked.append(a); raise OSError('no network')
socket.getaddrinfo = no_name
from itr_nb.workshop.packaged import minilm
print(tuple(minilm().encode(['a cat'])[0].shape), asked)
"""
    env = {k:v for k,v in os.environ.items() if k not in ('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE')}
    p = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True, timeout=120)
    assert p.stdout.strip().endswith('(1, 1, 384) []'), (p.stdout, p.stderr[-2000:])
