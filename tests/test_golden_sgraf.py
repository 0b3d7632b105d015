"""SGRAF against the authors' released code, on its own small checkpoints: scores, losses, training mode and every stored gradient

Their program ran in float64 on the checkpoint's float32 numbers, and so do we: in float32 the comparison hangs on the processor."""
import argparse,io

import numpy as np
import pytest
import torch
from common import shared
from torch import nn

from itr_nb.core import ArgumentError,Batch
from itr_nb.losses.triplet import triplet_loss
from itr_nb.model import load_model,save_model
from itr_nb.sgraf.model import sgraf
from itr_nb.sgraf.released import load_released,_rename_released
from itr_nb.score.all_pairs import all_pairs

kinds = pytest.mark.parametrize('kind', ['SGR','SAF'])
limit,single = 1e-10,1e-6 # of what they computed in float64, and of the little that they kept in float32

def checkpoint(kind): return shared(f'golden/sgraf_{kind.lower()}_tiny.pth.tar')

def released(kind):
    values = {k:torch.as_tensor(v) for k,v in np.load(shared(f'golden/sgraf_{kind.lower()}_tiny.npz')).items()}
    return load_released(checkpoint(kind)).double(),values

def states(model, values, n_images=None, n_texts=None):
    images,texts = Batch.of(regions=values['images'][:n_images].double()),Batch.of(tokens=values['captions'][:n_texts], lengths=values['lengths'][:n_texts])
    return model.encode_image(images),model.encode_text(texts)

def off(name, got, want):
    "Largest absolute difference, printed"
    got = torch.as_tensor(got)
    assert got.dtype in (torch.double, torch.long), f'{name} is compared in {got.dtype}'
    d = (got-want).abs().max().item()
    print(f'{name:60s} {d:.1e}')
    return d

def hinges(S, hardest):
    "SGRAF Eq. (10) of their scores in plain numbers: what they keep of these two losses was added up in single precision"
    pick,n = max if hardest else sum,range(len(S))
    return sum(pick(max(0, .2-S[i][i]+S[i][j]) for j in n if j!=i) + pick(max(0, .2-S[i][i]+S[j][i]) for j in n if j!=i) for i in n)

@kinds
def test_scores_and_losses(kind):
    model,v = released(kind)
    with torch.no_grad():
        images,texts = states(model, v)
        for form,score in (('', model.score), (' by the equations', model.scorer)):
            scores = score(images, texts)
            assert off(f'{kind} scores{form}', scores, v['scores'])<limit
            for hardest,name in ((True,'loss_hardest'), (False,'loss_sum')):
                loss = triplet_loss(scores[:,:6], hardest=hardest)
                assert off(f'{kind} {name}{form}', loss, hinges(v['scores'][:,:6].tolist(), hardest))<limit
                assert off(f'{kind} {name}{form}, as kept', loss, v[name])<single*v[name]

@kinds
def test_embeddings(kind):
    model,v = released(kind)
    with torch.no_grad(): images,texts = states(model, v)
    assert off(f'{kind} image_embeddings', images.local, v['image_embeddings'])<limit
    assert off(f'{kind} word_embeddings', texts.local*texts.mask[...,None], v['word_embeddings']*texts.mask[...,None])<single

def trained(kind):
    "Model, golden values, scores and loss of one training pass without dropout, gradients in place"
    model,v = released(kind)
    model.train()
    for m in model.modules():
        if isinstance(m, nn.Dropout): m.p = 0.
    scores = model.score(*states(model, v, 6, 6))
    loss = triplet_loss(scores)
    loss.backward()
    return model,v,scores.detach(),loss.detach()

@kinds
def test_training_pass(kind):
    model,v,scores,loss = trained(kind)
    assert off(f'{kind} train_scores', scores, v['train_scores'])<limit
    assert off(f'{kind} train_loss', loss, v['train_loss'])<limit
    norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
    assert off(f'{kind} train_grad_norm', norm, v['train_grad_norm'])<limit*max(1, v['train_grad_norm'].item())

@kinds
def test_every_stored_gradient(kind):
    model,v,*_ = trained(kind)
    parts = [{k.removeprefix(f'grad.{part}.'):x for k,x in v.items() if k.startswith(f'grad.{part}.')} for part in ('img_enc','txt_enc','sim_enc')]
    want = _rename_released(parts)
    assert len(want)==sum(k.startswith('grad.') for k in v)>=20
    for name,g in want.items():
        assert off(f'{kind} grad {name}', model.get_parameter(name).grad, g)<limit*max(1, g.abs().max().item()), name

def test_running_statistics_follow_the_captions():
    "A training pass of SAF moves its batch norms as one caption after the other does"
    model,v,*_ = trained('SAF')
    one,_ = released('SAF')
    one.train()
    for m in one.modules():
        if isinstance(m, nn.Dropout): m.p = 0.
    with torch.no_grad():
        images,texts = states(one, v, 6, 6)
        for n in range(6): one.score(images, texts[n:n+1])
    for k,x in model.state_dict().items():
        if 'running' in k or 'tracked' in k: assert off(f'SAF {k}', x, one.state_dict()[k])<limit

@kinds
def test_shards_and_order(kind):
    model,v = released(kind)
    with torch.no_grad():
        images,texts = states(model, v)
        for block in (None, (1,1), (4,3), (6,8)): assert off(f'{kind} block {block}', all_pairs(model.score, images, texts, block=block), v['scores'])<limit
        p,q = torch.tensor([3,1,5,0]),torch.tensor([7,0,4,2,6])
        assert off(f'{kind} order', model.score(images[p], texts[q]), v['scores'][p][:,q])<limit

@kinds
def test_it_is_a_model_like_any_other(kind, tmp_path):
    model,v = released(kind)
    again = load_model(save_model(model, tmp_path)).double()
    with torch.no_grad(): assert torch.equal(again.score(*states(again, v)), model.score(*states(model, v)))
    assert again.config['kind']==kind and again.config['vocab_size']==60 and again.config['regions']==36

@kinds
def test_bad_input(kind):
    model,v = released(kind)
    with pytest.raises(ArgumentError, match='exactly 36 regions'): model.encode_image(Batch.of(regions=v['images'][:,:35].double()))
    with pytest.raises(ArgumentError, match='lengths: expected at most 15'): Batch.of(tokens=v['captions'], lengths=v['lengths']+1)
    with pytest.raises(ArgumentError, match='at least one word'): Batch.of(tokens=torch.zeros(1,3, dtype=torch.long))
    with pytest.raises(ArgumentError, match='ids from 0 to 59'): model.encode_text(Batch.of(tokens=torch.tensor([[60]])))
    with pytest.raises(ArgumentError, match='batch.regions'): model.encode_image(Batch.of(regions=v['images'][...,:39]))
    images,texts = states(model, v)
    texts.mask = texts.mask.clone()
    texts.mask[3] = False
    with pytest.raises(ArgumentError, match=r'texts.mask: expected at least one word a caption, got .*\[3\]'): model.score(images, texts)

@pytest.mark.parametrize('kind,words,total', [('SGR',8481,18_109_175), ('SAF',8481,17_517_306), ('SGR',11353,18_970_775), ('SAF',11353,18_378_906)])
def test_number_of_parameters(kind, words, total):
    with torch.device('meta'): assert sum(p.numel() for p in sgraf(kind, vocab_size=words).parameters())==total

# Checkpoints that are none

def changed(kind, change):
    "The content of a checkpoint file with a change made to it, or with what `change` returns in its place"
    with torch.serialization.safe_globals([argparse.Namespace]): saved = torch.load(checkpoint(kind), weights_only=True)
    f = io.BytesIO()
    other = change(saved)
    torch.save(other if isinstance(other, (list,dict)) else saved, f)
    return f.getvalue()

def refused(tmp_path, content, match):
    path = tmp_path/'x.pth.tar'
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match=match) as e: load_released(path)
    assert str(path) in str(e.value)

def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such checkpoint'): load_released(tmp_path/'none.pth.tar')

@kinds
def test_a_truncated_file_is_refused(kind, tmp_path):
    whole = checkpoint(kind).read_bytes()
    for n in {0, 1, 10, len(whole)-1, *range(100, len(whole), len(whole)//40)}: refused(tmp_path, whole[:n], 'a whole checkpoint')

def test_the_older_file_format_is_read_and_its_truncation_refused(tmp_path):
    f,path = io.BytesIO(),tmp_path/'old.pth.tar'
    with torch.serialization.safe_globals([argparse.Namespace]): torch.save(torch.load(checkpoint('SAF'), weights_only=True), f, _use_new_zipfile_serialization=False)
    path.write_bytes(f.getvalue())
    model,v = load_released(path).double(),released('SAF')[1]
    with torch.no_grad(): assert off('SAF older format', model.score(*states(model, v)), v['scores'])<limit
    for n in range(0, len(f.getvalue()), len(f.getvalue())//40): refused(tmp_path, f.getvalue()[:n], 'a whole checkpoint')

class Evil:
    def __reduce__(self): return (open, ('evil', 'w'))

def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    def poison(saved): saved['opt'] = Evil()
    refused(tmp_path, changed('SGR', poison), 'a whole checkpoint of tensors')
    assert not (tmp_path/'evil').exists()

@pytest.mark.parametrize('name,change,match', [
    ('two parts, as SCAN saves', lambda s: s.update(model=s['model'][:2]), "SGRAF's layout"),
    ('one state dict', lambda s: s.update(model=s['model'][2]), "SGRAF's layout"),
    ('bare tensors', lambda s: s['model'][0], "SGRAF's layout"),
    ('a list', lambda s: [1,2], "SGRAF's layout"),
    ('numbers for tensors', lambda s: s['model'][0].update({'fc.bias':3}), "SGRAF's layout"),
    ('no embedding', lambda s: s['model'][1].pop('embed.weight'), 'embed.weight. missing'),
    ('a flat embedding', lambda s: s['model'][1].update({'embed.weight':torch.ones(3)}), 'of another rank'),
    ('another pooling', lambda s: s['model'][2].pop('v_global_w.embedding_local.1.weight'), 'missing'),
    ('a lost bias', lambda s: s['model'][2].pop('sim_eval_w.bias'), r'1 that differ, such as scorer.head.bias: none in the file, \(1,\) here'),
    ('another width', lambda s: s['model'][2].update({'sim_tranglo_w.weight':torch.ones(16,31)}), 'compare_global.fc.weight'),
    ('a stranger', lambda s: s['model'][2].update({'memory.weight':torch.ones(2)}), 'memory.weight'),
    ('one direction', lambda s: tuple(s['model'][1].pop(k) for k in list(s['model'][1]) if 'reverse' in k), 'reverse'),
    ('no l2 on images', lambda s: setattr(s['opt'], 'no_imgnorm', True), 'without no_imgnorm'),
], ids=lambda x: x if isinstance(x, str) and ' ' in x else '')
def test_another_checkpoint_is_refused(name, change, match, tmp_path):
    refused(tmp_path, changed('SGR', change), match)

def test_neither_module(tmp_path):
    def strip(saved): [saved['model'][2].pop(k) for k in list(saved['model'][2]) if k.startswith('SGR_module')]
    refused(tmp_path, changed('SGR', strip), "SGRAF's SAF")

# From the authors' files to a report, as a user goes

def test_from_their_files_to_a_report(tmp_path):
    from itr_nb.data.batches import RetrievalData
    from itr_nb.data.readers import read_precomp
    from itr_nb.data.vocab import Vocab
    from itr_nb.judge.ranks import retrieval_report
    from itr_nb.judge.report import evaluate
    values = np.load(shared('golden/sgraf_sgr_tiny.npz'))
    for split,n in (('train',1), ('dev',1), ('test',2)):
        np.save(tmp_path/f'{split}_ims.npy', values['images'][:n])
        (tmp_path/f'{split}_caps.txt').write_text('\n'.join(f'w{i} w{i+j} w{7*j}' for i in range(n) for j in range(1, 6))+'\n')
    Vocab([*Vocab.specials, *(f'w{i}' for i in range(56))]).save(tmp_path/'vocab.json')
    data = RetrievalData(read_precomp(tmp_path), vocab=Vocab.load(tmp_path/'vocab.json'))
    models = [load_released(checkpoint(kind)) for kind in ('SGR','SAF')]
    regions,tokens = Batch.of(regions=torch.as_tensor(values['images'][:2])),[data.vocab.encode(c) for c in data.splits['test'].captions]
    with torch.no_grad(): mean = sum(m.score(m.encode_image(regions), m.encode_text(Batch.of(tokens=torch.tensor(tokens)))) for m in models)/2
    got = evaluate(models, data, draws=0)
    assert got.metrics==retrieval_report(mean, torch.arange(2).repeat_interleave(5))
    assert 'mean score of 2 models' in str(got)
