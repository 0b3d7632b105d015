"""Encoders and pooling against the released SGRAF code, on its own small checkpoints, in float64

Poolings have no golden output of their own. So the score of SGR is written out here, pair by pair from Eq. 1-8, on top of our
encoders and poolings: the released scores come out only if the pooled vectors do, in evaluation and with batch statistics."""
import argparse

import numpy as np
import pytest
import torch
from common import shared
from torch.nn.functional import leaky_relu

from itr_nb.core import Batch
from itr_nb.encode.pooling import SelfAttentionPooling
from itr_nb.encode.regions import RegionEncoder
from itr_nb.encode.words import TextRNN

limit = 1e-10 # ours and theirs, both in float64
float32 = 1e-6 # word embeddings were stored by a program in float32: vectors of length 1 after 15 steps of a GRU

parts = {'embedding_local.0':'fc_local', 'embedding_local.1':'bn_local', 'embedding_global.0':'fc_global',
    'embedding_global.1':'bn_global', 'embedding_common.0':'fc_score'}

def golden(kind):
    with torch.serialization.safe_globals([argparse.Namespace]):
        saved = torch.load(shared(f'golden/sgraf_{kind}_tiny.pth.tar'), weights_only=True)
    values = {k:torch.as_tensor(v) for k,v in np.load(shared(f'golden/sgraf_{kind}_tiny.npz')).items()}
    return saved['model'],{k:v.double() if v.is_floating_point() else v for k,v in values.items()}

def pooling(state, prefix, regions):
    "Our pooling with the released weights of one side"
    pool = SelfAttentionPooling(32, regions, dropout=0.)
    renamed = {}
    for old,new in parts.items():
        start = f'{prefix}.{old}.'
        renamed |= {f'{new}.{k.removeprefix(start)}':v for k,v in state.items() if k.startswith(start)}
    pool.load_state_dict(renamed)
    return pool.double()

def encoders(kind):
    (image,text,sim),values = golden(kind)
    regions,words = RegionEncoder(40, 32),TextRNN(60, 32, word_dim=20, dropout=0.)
    regions.load_state_dict(image)
    words.load_state_dict({k.replace('cap_rnn', 'rnn'):v for k,v in text.items()})
    sim = {k:v.double() if v.is_floating_point() else v for k,v in sim.items()}
    return regions.double(),words.double(),pooling(sim, 'v_global_w', 36),pooling(sim, 't_global_w', None),sim,values

def batch_of(values, n_images=None, n_texts=None):
    images = Batch.of(regions=values['images'][:n_images])
    return images,Batch.of(tokens=values['captions'][:n_texts], lengths=values['lengths'][:n_texts])

def off(name, got, want):
    "Largest absolute difference, printed"
    d = (got-want).abs().max().item()
    print(f'{name:60s} {d:.1e}')
    return d

@pytest.mark.parametrize('kind', ['sgr', 'saf'])
def test_embeddings_are_the_released_ones(kind):
    regions,words,*_,values = encoders(kind)
    images,texts = batch_of(values)
    with torch.no_grad(): v,t = regions.eval()(images)[0],words.eval()(texts)[0]
    assert off(f'{kind} regions', v, values['image_embeddings'])<limit
    assert off(f'{kind} words', t, values['word_embeddings'])<float32

def test_embeddings_do_not_depend_on_the_order_of_lengths():
    _,words,*_,values = encoders('sgr')
    texts,order = batch_of(values)[1],torch.tensor([3,7,0,5,1,6,2,4])
    with torch.no_grad(): t,shuffled = words.eval()(texts)[0],words(texts[order])[0]
    assert off('words in another order', shuffled, t[order])<limit
    assert off('words in another order, released', shuffled, values['word_embeddings'][order])<float32

def l2(x):
    "The released code's, which adds 1e-8 outside the root"
    return x/(x.norm(dim=-1, keepdim=True)+1e-8)

def sgr_scores(sim, v, vbar, t, tbar, mask):
    "SGR, one caption after the other: similarity vectors, attention, three steps of the graph (Eq. 1-8)"
    def linear(x, name): return x@sim[f'{name}.weight'].T+sim[f'{name}.bias']
    def vector(x, y, name): return l2(linear((x-y)**2, name))
    columns = []
    for words,whole,real in zip(t, tbar, mask):
        words = words[real]
        c = l2(leaky_relu(v@words.T, .1))
        seen = l2(torch.einsum('irw,ird->iwd', (9*c).softmax(1), v))
        s = torch.cat([vector(vbar, whole, 'sim_tranglo_w')[:,None], vector(seen, words, 'sim_tranloc_w')], 1)
        for n in range(3):
            q,k = (linear(s, f'SGR_module.{n}.graph_{side}_w') for side in ('query','key'))
            s = linear((q@k.mT).softmax(-1)@s, f'SGR_module.{n}.sim_graph_w').relu()
        columns.append(linear(s[:,0], 'sim_eval_w')[:,0].sigmoid())
    return torch.stack(columns, 1)

@pytest.mark.parametrize('training', [False, True])
def test_pooled_vectors_give_the_released_scores(training):
    regions,words,vpool,tpool,sim,values = encoders('sgr')
    images,texts = batch_of(values, *((6,6) if training else (None,None)))
    for m in (regions, words, vpool, tpool): m.train(training)
    with torch.no_grad():
        (v,vm),(t,tm) = regions(images),words(texts)
        scores = sgr_scores(sim, v, vpool(v, vm), t, tpool(t, tm), tm)
    name = 'train_scores' if training else 'scores'
    assert off(name, scores, values[name])<limit

def test_gradients_are_the_released_ones():
    "Through encoder and pooling with batch statistics: d loss / d weights, hardest negatives, margin 0.2"
    regions,words,vpool,tpool,sim,values = encoders('sgr')
    images,texts = batch_of(values, 6, 6)
    (v,vm),(t,tm) = regions(images),words(texts)
    scores = sgr_scores(sim, v, vpool(v, vm), t, tpool(t, tm), tm)
    gap = scores.masked_fill(torch.eye(6, dtype=torch.bool), -torch.inf)
    own = scores.diagonal()
    loss = (.2+gap.amax(1)-own).clamp(min=0).sum()+(.2+gap.amax(0)-own).clamp(min=0).sum()
    loss.backward()
    assert off('train_loss', loss.detach(), values['train_loss'])<limit
    ours = {f'img_enc.{name}':p for name,p in regions.named_parameters()}
    for prefix,pool in (('v_global_w',vpool), ('t_global_w',tpool)):
        old = {new:old for old,new in parts.items()}
        for name,p in pool.named_parameters():
            part,leaf = name.split('.')
            ours[f'sim_enc.{prefix}.{old[part]}.{leaf}'] = p
    assert len(ours)==18
    for name,p in ours.items():
        want = values[f'grad.{name}']
        assert off(name, p.grad, want)<limit*max(want.abs().max(), 1e-5), name
