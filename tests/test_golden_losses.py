"The losses against numbers of the papers' released code"
import numpy as np
import pytest
import torch
from common import shared

from itr_nb.core import Batch,ImageStates,TextStates
from itr_nb.cusa.soft_labels import CSALoss,soft_label_kl,teacher_cosines,USALoss
from itr_nb.imc.constraint import intra_modal,MEASURES
from itr_nb.losses.infonce import info_nce,InfoNCE
from itr_nb.losses.triplet import triplet_loss,TripletLoss

# The released programs computed in float32, so that our float64 meets their rounding; two processors' float32 differ by more
limits = {torch.float64:1e-5, torch.float32:1e-4}

def same(name, got, want):
    "Equal within the limit of what was computed; `pytest -rP` shows the differences"
    limit = limits[got.dtype]
    got,want = float(got.detach()),float(want)
    print(f'{name}: {got:.7g}, released {want:.7g}, difference {abs(got-want):.1e}')
    assert got==pytest.approx(want, rel=limit, abs=0), name

def golden(name): return np.load(shared(f'golden/{name}'), allow_pickle=False)

def scores(x, y, dtype): return torch.tensor(x, dtype=dtype)@torch.tensor(y, dtype=dtype).T

@pytest.mark.parametrize('dtype', limits)
def test_imc_triplet(dtype):
    g = golden('imc.npz')
    sims = scores(g['images'], g['texts'], dtype)
    same('loss_sh', triplet_loss(sims, .2, hardest=False), g['loss_sh'])
    same('loss_mh', triplet_loss(sims, .2, hardest=True), g['loss_mh'])

@pytest.mark.parametrize('dtype', limits)
@pytest.mark.parametrize('measure', MEASURES)
def test_imc_constraint(measure, dtype):
    g = golden('imc.npz')
    for side in ('image','text'):
        x = torch.tensor(g[f'{side}s'], dtype=dtype, requires_grad=True)
        loss = intra_modal(x, measure)
        same(f'{side} {measure}', loss, g[f'imc_{side}_{measure}'])
        if side=='text': continue
        loss.backward()
        worst = (x.grad-torch.tensor(g[f'imc_image_grad_{measure}'])).abs().max().item()
        print(f'{side} {measure} gradient: largest difference {worst:.1e}')
        assert worst<limits[dtype]

@pytest.mark.parametrize('kind', ('sgr','saf'))
def test_sgraf_triplet(kind):
    g = golden(f'sgraf_{kind}_tiny.npz')
    sims = torch.tensor(g['scores'])[:6,:6]
    same('loss_hardest', triplet_loss(sims, .2), g['loss_hardest'])
    same('loss_sum', triplet_loss(sims, .2, hardest=False), g['loss_sum'])
    same('train_loss', triplet_loss(torch.tensor(g['train_scores']), .2), g['train_loss'])
    batch = Batch(image_id=torch.zeros(6, dtype=torch.long))
    same('strict_paper', TripletLoss(strict_paper=True)(sims, batch=batch)['triplet'], g['loss_hardest'])

@pytest.mark.parametrize('dtype', limits)
def test_cusa_infonce(dtype):
    "The golden values add both directions without halving; their 'mean' runs over columns too, their 'sum' is ours"
    g = golden('cusa.npz')
    sims,ids = scores(g['image'], g['text'], dtype),torch.tensor(g['idx'])
    for reduction,theirs in (('all','infonce_mean'),('mean','infonce_sum')):
        same(theirs, 2*info_nce(sims, .05, reduction=reduction), g[theirs])
        same(f'{theirs}_multipositive', 2*info_nce(sims, .05, ids, reduction), g[f'{theirs}_multipositive'])
        loss = InfoNCE(.05, reduction=reduction)(sims, batch=Batch(image_id=ids))['infonce']
        same(f'{theirs}_module', 2*loss, g[f'{theirs}_multipositive'])

@pytest.mark.parametrize('dtype', limits)
def test_cusa_soft_labels(dtype):
    "Student 0.45, teacher 1: rows of each modality's teacher, divergence from teacher to student"
    g = golden('cusa.npz')
    x = {k:torch.tensor(g[k], dtype=dtype) for k in ('image','text','teacher_image','teacher_text')}
    sims,i2i,t2t = x['image']@x['text'].T,teacher_cosines(x['teacher_image']),teacher_cosines(x['teacher_text'])
    for name,student,teacher in (('csa_i2t',sims,i2i), ('csa_t2i',sims.T,t2t), ('usa_image',x['image']@x['image'].T,i2i), ('usa_text',x['text']@x['text'].T,t2t)):
        same(name, soft_label_kl(student, teacher, .45, 1.), g[name])
    batch = Batch(teacher_image=3*x['teacher_image'], teacher_text=x['teacher_text'])
    same('CSALoss', CSALoss().to(dtype)(sims, batch=batch)['csa'], (g['csa_i2t']+g['csa_t2i'])/2)
    states = [c(v, v[:,None], torch.ones(len(v), 1, dtype=torch.bool)) for c,v in ((ImageStates,x['image']), (TextStates,x['text']))]
    same('USALoss', USALoss().to(dtype)(sims, *states, batch)['usa'], (g['usa_image']+g['usa_text'])/2)
