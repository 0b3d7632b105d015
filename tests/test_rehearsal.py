"""The device path of every model and loss, rehearsed on a pretended device: the numbers are the CPU's, and launches and waits stay few

No GPU takes part. What runs here is what would run there; times and a GPU's own rounding are not looked at."""
from copy import deepcopy

import pytest
import torch
from itr_nb.ckstn.model import ckstn
from itr_nb.core import ArgumentError,Batch,ImageStates,TextStates
from itr_nb.cusa.soft_labels import CSALoss,USALoss
from itr_nb.imc import IMCLoss,imcnet
from itr_nb.judge import retrieval_report
from itr_nb.losses.infonce import InfoNCE
from itr_nb.losses.triplet import TripletLoss,triplet_loss
from itr_nb.model import dual,with_own_heads
from itr_nb.score.all_pairs import all_pairs
from itr_nb.score.recompute import recompute
from itr_nb.sgraf.model import sgraf
from itr_nb.train.learner import Callback,Learner,TrainStep
from itr_nb.train.rehearsal import DEVICE,rehearse,Rehearsal

def pairs(b, seed=0, dtype=torch.double):
    "Captions of 2 to 6 words and their images, two captions of the first image"
    g = torch.Generator().manual_seed(seed)
    n = torch.randint(2, 7, (b,), generator=g)
    mask = torch.arange(6)<n.clamp(max=6)[:,None]
    mask[0] = True
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=dtype)
    ids = torch.arange(b)
    ids[1] = 0
    return Batch(
        regions=draw(b, 4, 9), region_mask=torch.ones(b, 4, dtype=torch.bool), boxes=draw(b, 4, 4).abs(),
        tokens=torch.randint(1, 30, (b, 6), generator=g)*mask, word_mask=mask, image_id=ids,
        teacher_image=draw(b, 5), teacher_text=draw(b, 5))

size = dict(vocab_size=30, image_dim=9, dim=24, word_dim=5)
small = dict(size, sim_dim=8, regions=4, dropout=0.)
plain = dict(dim=24, word_dim=5)
made = {
    'SGR': lambda: (sgraf('SGR', **small), TripletLoss(.2)),
    'SGR, all negatives': lambda: (sgraf('SGR', **small), TripletLoss(.2, hardest=False)),
    'SAF': lambda: (sgraf('SAF', **small), TripletLoss(.2)),
    'joint': lambda: (sgraf('joint', **small), TripletLoss(.2)),
    'IMC': lambda: (imcnet(9, 30, dropout=0., **plain), TripletLoss(.2)+IMCLoss('l1')),
    'IMC, cosine': lambda: (imcnet(9, 30, text='gru', dropout=0., **plain), TripletLoss(.2)+IMCLoss('cosine')),
    'CKSTN': lambda: (ckstn(text='gru', units=6, dropout=0., **size), TripletLoss(.2)+InfoNCE(on='style')),
    'dual': lambda: (dual(9, 30, text='gru', **plain), InfoNCE()),
    'SGR, CUSA': lambda: (sgraf('SGR', **small), TripletLoss(.2)+.6*CSALoss(before_sigmoid=True)),
    'SAF, CUSA': lambda: (sgraf('SAF', **small), TripletLoss(.2)+.6*CSALoss()),
    'CKSTN, CUSA': lambda: (ckstn(text='gru', units=6, dropout=0., **size), TripletLoss(.2)+.6*CSALoss()+.7*USALoss()),
    'dual, CUSA': lambda: (with_own_heads(dual(9, 30, text='gru', **plain)), InfoNCE()+.6*CSALoss()+.75*USALoss())}

def build(name, dtype=torch.double):
    torch.manual_seed(0)
    return [m.to(dtype) for m in made[name]()]

def on_cpu(x): return x.detach().cpu() if isinstance(x, torch.Tensor) else x

def close(got, want, tolerance=1e-9):
    "Equal up to the size of the numbers"
    torch.testing.assert_close(on_cpu(got), on_cpu(want), rtol=tolerance, atol=tolerance)

def step(model, loss, batch):
    "Terms of the loss, then gradients and buffers by name"
    terms = TrainStep(model, loss)(batch)
    sum(terms.values()).backward()
    named = [*model.named_parameters(), *loss.named_parameters()]
    return terms|{k:p.grad for k,p in named if p.grad is not None}|dict(model.named_buffers())

def scored(model, batch, **how):
    "Scores of a model that is judged, its images and texts cut into blocks"
    model.eval()
    with torch.no_grad(): return all_pairs(model.score, model.encode_image(batch), model.encode_text(batch), **how)

each_model = pytest.mark.parametrize('name', made)

@each_model
def test_a_training_step(name):
    "Loss, gradients, running statistics"
    model,loss = build(name)
    want = step(*deepcopy((model, loss)), pairs(8))
    with Rehearsal():
        got = step(model.to(DEVICE), loss.to(DEVICE), pairs(8).to(DEVICE))
        assert got.keys()==want.keys()
        for k in want: close(got[k], want[k])

@each_model
def test_judging(name):
    "Scores in blocks, and the recalls read from them"
    model,_ = build(name)
    want = scored(model, pairs(8))
    with Rehearsal():
        model.to(DEVICE)
        there = pairs(8).to(DEVICE)
        for how in ({}, dict(block=(3,2))): close(scored(model, there, **how), want)
        report = retrieval_report(scored(model, there), torch.arange(8).to(DEVICE))
    assert report==retrieval_report(want, torch.arange(8))

@pytest.mark.parametrize('name', ['SGR', 'SAF', 'joint', 'IMC', 'CKSTN', 'dual'])
def test_blocks_do_not_wait(name):
    "Evaluation looks at the device before and after its blocks, never between them"
    waits = []
    for block in ((8,8), (2,2)):
        model,_ = build(name)
        with Rehearsal() as counts:
            model.to(DEVICE).eval()
            there = pairs(8).to(DEVICE)
            with torch.no_grad(): images,texts = model.encode_image(there),model.encode_text(there)
            counts.clear()
            with torch.no_grad(): all_pairs(model.score, images, texts, block=block)
            waits.append(counts.waits.total())
    assert waits[0]==waits[1]<=3, waits

def states(b, seed):
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.nn.functional.normalize(torch.randn(*shape, generator=g, dtype=torch.double), dim=-1)
    n = torch.randint(1, 6, (b,1), generator=g)
    return ImageStates(draw(b, 24), draw(b, 4, 24), torch.ones(b, 4, dtype=torch.bool)),TextStates(draw(b, 24), draw(b, 5, 24), torch.arange(5)<n)

@pytest.mark.parametrize('name', ['SGR', 'SAF', 'CKSTN', 'dual'])
@pytest.mark.parametrize('hardest', [True, False])
@pytest.mark.parametrize('budget', [2**27, 2**17])
def test_recompute(name, hardest, budget):
    "Few pairs and all of them, in one piece and in many, equal to a graph that is kept"
    scorer = build(name)[0].scorer
    def grads(score, device):
        images,texts = (s.to(device) for s in states(7, 1))
        leaves = [x.requires_grad_() for x in (images.glob, images.local, texts.glob, texts.local)]
        total = triplet_loss(score(images, texts), hardest=hardest)
        some = [*leaves, *scorer.parameters()]
        found = torch.autograd.grad(total, some, allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for g,x in zip(found, some)]
    want = grads(scorer, 'cpu')
    with Rehearsal():
        scorer.to(DEVICE)
        for a,b in zip(grads(lambda i,t: recompute(scorer, i, t, budget), DEVICE), want): close(a, b, 1e-12)

def test_equal_negatives():
    "Where more than 3b pairs have a gradient, as with equal scores, none of them is lost"
    model,loss = build('SGR')
    twice = pairs(6)
    twice.regions[2:] = twice.regions[2]
    want = step(*deepcopy((model, loss)), twice)
    with Rehearsal():
        got = step(model.to(DEVICE), loss.to(DEVICE), twice.to(DEVICE))
        for k in want: close(got[k], want[k])

# Most launches and waits of a step, recurrent layers apart
most = {
    'SGR':(550, 2), 'SAF':(400, 1), 'joint':(850, 2), 'IMC':(300, 1), 'CKSTN':(1150, 1), 'dual':(170, 1), 'dual, CUSA':(500, 1)}

@pytest.mark.parametrize('name', most)
def test_launches_and_waits(name):
    counts = rehearse(*build(name), pairs(24))
    launches,waits = counts.launches.total(),counts.waits.total()
    assert launches<=most[name][0] and waits<=most[name][1], f'{counts}\n{counts.where}'

def test_launches_do_not_grow_with_the_batch():
    few,many = (rehearse(*build('SGR'), pairs(b)).launches.total() for b in (12, 24))
    assert many<=few*1.02

class CPUMask(TripletLoss):
    "Fault: a mask that stays on the CPU"
    def forward(self, sims, *rest): return super().forward(sims.where(torch.eye(len(sims), dtype=torch.bool), sims/2), *rest)

class Looks(TripletLoss):
    "Fault: a number of the device is read on the way"
    def forward(self, sims, *rest): return super().forward(sims/sims.max().item(), *rest)

def test_a_mask_on_the_cpu_is_noticed():
    with pytest.raises(RuntimeError, match='meet device tensors'): rehearse(build('dual')[0], CPUMask(.2), pairs(6))

def test_a_look_is_noticed():
    plain,looks = (rehearse(build('dual')[0], loss(.2), pairs(6)) for loss in (TripletLoss, Looks))
    new = looks.where-plain.where
    assert looks.waits.total()==plain.waits.total()+1 and len(new)==1 and 'sims.max().item()' in next(iter(new))

@pytest.mark.parametrize('spoil,said', [
    (lambda b: b.tokens.fill_(31), 'batch.tokens: expected ids from 0 to 29'),
    (lambda b: b.word_mask.__setitem__((slice(None), 0), False), 'batch.word_mask'),
    (lambda b: b.regions.fill_(torch.nan), 'sims: expected finite numbers'),
    (lambda b: b.teacher_text.zero_(), 'batch.teacher_text: expected a direction in every row')])
def test_bad_input_is_refused_on_the_device(spoil, said):
    "One look at all checks gives the sentence that the CPU gives"
    for device in ('cpu', DEVICE):
        model,loss = build('SGR, CUSA')
        with Rehearsal():
            batch = pairs(6)
            spoil(batch)
            with pytest.raises(ArgumentError, match=said): TrainStep(model.to(device), loss.to(device))(batch.to(device))

class Batches:
    "Data of a learner"
    steps_per_epoch = 3
    def __init__(self, dtype=torch.double): self.dtype = dtype
    def train_loader(self, epoch): return [pairs(6, 10*epoch+i, self.dtype) for i in range(3)]

def weights(learner): return {k:on_cpu(x) for k,x in learner.model.state_dict().items()}

def learner(name, device=None, dtype=torch.double, **kw):
    return Learner(*(lambda m,l: (m, Batches(dtype), l))(*build(name, dtype)), device=device, clip=2., **kw)

@pytest.mark.parametrize('name', ['SGR', 'SAF', 'IMC', 'CKSTN', 'dual, CUSA'])
def test_the_learner(name):
    "Two epochs, a checkpoint after the first, and a resume from it"
    want = weights(learner(name).fit(2))
    with Rehearsal():
        got = weights(learner(name, DEVICE).fit(2))
    for k in want: close(got[k], want[k], 1e-6)

@pytest.mark.parametrize('name,precision', [('SGR', 'no'), ('dual', 'bf16'), ('dual', 'fp16')])
def test_resume(name, precision, tmp_path):
    "What is read back from a file goes on as if nothing had happened, bit for bit"
    how = dict(device=DEVICE, dtype=torch.float, mixed_precision=precision)
    with Rehearsal():
        shaken = [Overflow()] if precision=='fp16' else [] # So that the scale of the loss has moved
        whole = learner(name, callbacks=shaken, **how).fit(2)
        half = learner(name, callbacks=[type(c)() for c in shaken], **how).fit(1)
        half.save(tmp_path/'step.safetensors')
        rest = learner(name, **how).fit(2, resume=tmp_path/'step.safetensors')
        want,got = weights(whole),weights(rest)
        if precision=='fp16': assert rest.scaler.get_scale()==whole.scaler.get_scale()<2**16
    for k in want: assert torch.equal(got[k], want[k]), k

def test_another_precision_is_refused(tmp_path):
    learner('dual', dtype=torch.float, mixed_precision='bf16').fit(1).save(tmp_path/'step.safetensors')
    with pytest.raises(ArgumentError, match="mixed_precision 'no', as here"): learner('dual', dtype=torch.float).fit(2, resume=tmp_path/'step.safetensors')

@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_half_precision_trains(precision):
    "Near the single precision of the CPU, with the maps in half precision"
    seen = []
    want = learner('SAF', dtype=torch.float).fit(1)
    with Rehearsal():
        got = learner('SAF', DEVICE, torch.float, mixed_precision=precision)
        got.model.image_encoder.fc.register_forward_hook(lambda m,x,y: seen.append(y.dtype))
        got.fit(1)
    assert set(seen)=={dict(bf16=torch.bfloat16, fp16=torch.float16)[precision]}
    assert abs(got.loss_value-want.loss_value)<.05*want.loss_value

class Overflow(Callback):
    "Multiplies one gradient beyond what half precision holds, in step 1"
    def __init__(self): self.scales,self.weights = [],[]
    def after_backward(self, learner):
        if learner.step==1: next(p for p in learner.model.parameters() if p.grad is not None).grad.fill_(torch.inf)
    def after_step(self, learner):
        self.scales.append(learner.scaler.get_scale())
        self.weights.append(weights(learner))

def test_an_overflow_costs_one_step():
    "The step is skipped, the scale halved, and training goes on"
    watch = Overflow()
    with Rehearsal():
        one = learner('dual', DEVICE, torch.float, mixed_precision='fp16', callbacks=[watch]).fit(1)
    first,second,third = watch.weights
    assert watch.scales[1]==watch.scales[0]/2 and watch.scales[2]==watch.scales[1]
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert any(not torch.equal(second[k], third[k]) for k in first) and one.step==3
    assert all(torch.isfinite(x).all() for x in third.values())

@pytest.mark.parametrize('device', ['cuda:7', 'nowhere', DEVICE])
def test_a_device_that_is_not_there(device):
    with pytest.raises(ArgumentError, match='device: expected a device of this machine'): learner('dual', device)
