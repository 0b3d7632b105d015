"""Encoders and pooling against the released SGRAF code, on its own small checkpoints

Poolings have no golden output of their own. So the score of SGR is written out here, pair by pair from Eq. 1-8, on top of our
encoders and poolings: the released scores come out only if the pooled vectors do, in evaluation and with batch statistics."""
import argparse

import numpy as np
import pytest
import torch
from common import shared
from torch.nn.functional import leaky_relu,normalize

from itr_nb.attention import SelfAttentionPooling
from itr_nb.core import Batch
from itr_nb.encoders import RegionEncoder,TextRNN

parts = {'embedding_local.0':'fc_local', 'embedding_local.1':'bn_local', 'embedding_global.0':'fc_global', 'embedding_global.1':'bn_global', 'embedding_common.0':'fc_score'}

def golden(kind):
    with torch.serialization.safe_globals([argparse.Namespace]):
        saved = torch.load(shared(f'golden/sgraf_{kind}_tiny.pth.tar'), weights_only=True)
    return saved['model'], {k:torch.as_tensor(v) for k,v in np.load(shared(f'golden/sgraf_{kind}_tiny.npz')).items()}

def pooling(state, prefix, regions):
    "Our pooling with the released weights of one side"
    pool = SelfAttentionPooling(32, regions, dropout=0.)
    renamed = {new+k[len(prefix)+1+len(old):]:v for k,v in state.items() for old,new in parts.items() if k.startswith(f'{prefix}.{old}.')}
    pool.load_state_dict(renamed)
    return pool

def encoders(kind):
    (image,text,sim),values = golden(kind)
    regions,words = RegionEncoder(40, 32),TextRNN(60, 32, word_dim=20, dropout=0.)
    regions.load_state_dict(image)
    words.load_state_dict({k.replace('cap_rnn', 'rnn'):v for k,v in text.items()})
    return regions,words,pooling(sim, 'v_global_w', 36),pooling(sim, 't_global_w', None),sim,values

def batch_of(values, n_images=None, n_texts=None):
    return Batch.of(regions=values['images'][:n_images]), Batch.of(tokens=values['captions'][:n_texts], lengths=values['lengths'][:n_texts])

@pytest.mark.parametrize('kind', ['sgr', 'saf'])
def test_embeddings_are_the_released_ones(kind):
    regions,words,*_,values = encoders(kind)
    images,texts = batch_of(values)
    with torch.no_grad(): v,t = regions.eval()(images)[0],words.eval()(texts)[0]
    assert (v-values['image_embeddings']).abs().max()<1e-5
    assert (t-values['word_embeddings']).abs().max()<1e-5

def test_embeddings_do_not_depend_on_the_order_of_lengths():
    _,words,*_,values = encoders('sgr')
    texts,order = batch_of(values)[1],torch.tensor([3,7,0,5,1,6,2,4])
    with torch.no_grad(): t = words.eval()(texts[order])[0]
    assert (t-values['word_embeddings'][order]).abs().max()<1e-5

def sgr_scores(sim, v, vbar, t, tbar, mask):
    "SGR, one caption after the other: similarity vectors, attention, three steps of the graph (Eq. 1-8)"
    def linear(x, name): return x@sim[f'{name}.weight'].T+sim[f'{name}.bias']
    def vector(x, y, name): return normalize(linear((x-y)**2, name), dim=-1)
    columns = []
    for words,whole,real in zip(t, tbar, mask):
        words = words[real]
        c = normalize(leaky_relu(v@words.T, .1), dim=2)
        seen = normalize(torch.einsum('irw,ird->iwd', (9*c).softmax(1), v), dim=-1)
        s = torch.cat([vector(vbar, whole, 'sim_tranglo_w')[:,None], vector(seen, words, 'sim_tranloc_w')], 1)
        for n in range(3):
            edges = (linear(s, f'SGR_module.{n}.graph_query_w')@linear(s, f'SGR_module.{n}.graph_key_w').mT).softmax(-1)
            s = linear(edges@s, f'SGR_module.{n}.sim_graph_w').relu()
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
    assert (scores-values['train_scores' if training else 'scores']).abs().max()<1e-5

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
    assert abs(loss.item()-values['train_loss'].item())<1e-5
    for name,p in regions.named_parameters(): assert (p.grad-values[f'grad.img_enc.{name}']).abs().max()<1e-5
    for prefix,pool in (('v_global_w',vpool), ('t_global_w',tpool)):
        for old,new in parts.items():
            for k in ('weight','bias'):
                key = f'grad.sim_enc.{prefix}.{old}.{k}'
                if key in values: assert (pool.get_parameter(f'{new}.{k}').grad-values[key]).abs().max()<1e-5, key
