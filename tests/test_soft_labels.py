"""Soft labels beside the loss of every model: some steps of training, the loss falls, and heads, temperatures and encoders learn

The models are those of the registry, so a new one is tried as soon as it is there, and a network of X-VLM's shape, which a user brings."""
import inspect

import numpy as np
import pytest
import torch
from pages.test_cusa_fusion import small_xvlm

from itr_nb.core import Batch,seed_everything
from itr_nb.cusa import CSALoss,ITMLoss,USALoss,xvlm
from itr_nb.losses.infonce import InfoNCE,Temperature
from itr_nb.losses.triplet import TripletLoss
from itr_nb.model import with_own_heads
from itr_nb.registry import MODELS
from itr_nb.train.learner import Callback,Learner

small = dict(image_dim=10, dim=16, word_dim=8, sim_dim=8, dropout=0., text='gru')
solved = {'linear'} # In one go: descent finds nothing to train
kinds = [(name, kind) for name in MODELS if name not in solved for kind in (('SGR','SAF','joint') if name=='sgraf' else (None,))]+[('xvlm', None)]

class Pairs:
    "Two batches of eight pairs that share a hidden cause with their teachers' features; regions, and pixels of the same"
    steps_per_epoch = 2
    def train_loader(self, epoch):
        g = torch.Generator().manual_seed(1)
        for _ in range(2):
            z = torch.randn(8, 4, generator=g)
            mix = lambda n: z@torch.randn(4, n, generator=torch.Generator().manual_seed(n))
            regions = mix(10)[:,None]+.3*torch.randn(8, 5, 10, generator=g)
            tokens = torch.cat([torch.ones(8, 1).long(), 4+(z>0).long()+2*torch.arange(4), 2*torch.ones(8, 1).long()], 1)
            pixels = mix(12).view(8, 3, 2, 2).repeat_interleave(16, 2).repeat_interleave(16, 3)
            yield Batch.of(regions=regions, tokens=tokens, pixels=pixels, boxes=torch.tensor([.1,.1,.6,.6]).expand(8, 5, 4), image_id=torch.arange(8), caption_id=torch.arange(8), teacher_image=mix(7), teacher_text=mix(6))

def architecture(name):
    "Of a small CLIP or BLIP, for the pixels and tokens of `Pairs`"
    from transformers import BlipConfig,CLIPConfig
    side = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    sides = dict(text_config=dict(vocab_size=12, encoder_hidden_size=16, max_position_embeddings=8, eos_token_id=2, **side), vision_config=dict(image_size=32, patch_size=16, **side))
    return (CLIPConfig(projection_dim=16, **sides) if name=='clip' else BlipConfig(image_text_hidden_size=16, **sides)).to_dict()

def build(name, kind):
    "The smallest model of a factory"
    if name=='xvlm': return xvlm(small_xvlm(), 12)
    known = inspect.signature(MODELS[name]).parameters
    if 'architecture' in known:
        seed_everything(0)
        return MODELS[name](architecture=architecture(name))
    args = {k:v for k,v in dict(small, vocab_size=12, text_dim=12, kind=kind, regions='any', layers=1, heads=2).items() if k in known and not (k=='text_dim' and 'vocab_size' in known)}
    seed_everything(0)
    return MODELS[name](**args)

def headed(name, kind=None):
    "The same with heads for its own modality, which CLIP has by nature"
    model = build(name, kind)
    return model if name=='clip' else with_own_heads(model)

class Watch(Callback):
    def __init__(self): self.losses,self.seen = [],set()
    def after_backward(self, learner):
        self.losses.append(learner.loss_value)
        named = [*((f'loss.{k}', p) for k,p in learner.loss.named_parameters()), *((f'model.{k}', p) for k,p in learner.model.named_parameters())]
        self.seen |= {k for k,p in named if p.grad is not None and p.grad.abs().sum()>0}

soft = dict(CSA=lambda: CSALoss(), USA=lambda: .75*USALoss(), CUSA=lambda: .6*CSALoss()+.75*USALoss(), logits=lambda: CSALoss(before_sigmoid=True))

@pytest.mark.parametrize('added', ['CSA', 'USA', 'CUSA'])
@pytest.mark.parametrize('own', ['triplet', 'infonce'])
@pytest.mark.parametrize('name,kind', kinds)
def test_trains(name, kind, own, added):
    usa = 'USA' in added
    model = headed(name, kind) if usa else build(name, kind)
    loss = dict(triplet=lambda: TripletLoss(.2, hardest=False), infonce=lambda: InfoNCE(.2))[own]()+soft[added]()
    assert set(loss.needs)=={'teacher_image','teacher_text'}
    watch = Watch()
    learner = Learner(model, Pairs(), loss, lr=1e-2, callbacks=[watch])
    learned = {f'loss.{k}':p for k,p in loss.named_parameters()}
    if usa: learned |= {f'model.{k}':p for k,p in model.named_parameters() if 'own_heads' in k or '_uni' in k}
    assert len(learned)>=(6 if usa else 1)
    start = {k:p.detach().clone() for k,p in learned.items()}
    for k,p in learned.items(): assert any(p is q for g in learner.optimizer.param_groups for q in g['params']), f'{k} is not trained'
    learner.fit(15)
    epochs = np.mean(np.reshape(watch.losses, (-1,2)), 1) # A small BLIP comes back to where all scores are equal
    assert min(epochs)<.9995*epochs[0], watch.losses
    still = [k for k,p in learned.items() if torch.equal(p, start[k])]
    assert not still and learned.keys()<=watch.seen, f'no gradient reached {still}'
    for sides in (('image_','vision'), ('text_',)): assert any(k.startswith('model.') and any(s in k for s in sides) for k in watch.seen), watch.seen

@pytest.mark.parametrize('name', solved)
def test_what_is_solved_has_nothing_to_train(name): assert not list(build(name, None).parameters())

@pytest.mark.parametrize('soft', [0., .3])
@pytest.mark.parametrize('name', ['blip', 'xvlm'])
def test_matching(name, soft, tmp_path):
    "As CUSA trains X2VLM: contrast, matching whose targets may be soft, and heads in the model; stopped and resumed it goes on as if it had not stopped"
    def learner(*callbacks):
        model = headed(name)
        return Learner(model, Pairs(), InfoNCE(.2)+ITMLoss(model, soft=soft)+.75*USALoss(), lr=3e-3, callbacks=callbacks)
    watch = Watch()
    whole = learner(watch).fit(15)
    assert np.mean(watch.losses[-4:])<np.mean(watch.losses[:4]), watch.losses
    for part in ('text_encoder','vision','vision_proj','text_proj','itm_head','own_heads.image','own_heads.text'): assert any(f'.{part}' in k for k in watch.seen), part
    learner().fit(6).save(tmp_path/'part.safetensors')
    rest = learner().fit(15, resume=tmp_path/'part.safetensors')
    for k,x in whole.model.state_dict().items(): assert torch.equal(x, rest.model.state_dict()[k]), k

@pytest.mark.parametrize('kind', ['SGR', 'SAF'])
def test_before_the_sigmoid(kind):
    watch = Watch()
    Learner(build('sgraf', kind), Pairs(), TripletLoss(.2, hardest=False)+soft['logits'](), lr=1e-2, callbacks=[watch]).fit(8)
    assert np.mean(watch.losses[-2:])<np.mean(watch.losses[:2])

def test_usa_trains_the_encoders_alone():
    "Without any other loss, the uni-modal rows reach both encoders through the heads"
    watch = Watch()
    Learner(headed('dual'), Pairs(), USALoss(), lr=1e-2, callbacks=[watch]).fit(4)
    assert watch.losses[-1]<watch.losses[0] and {'model.image_encoder.fc.weight','model.own_heads.image.weight'}<=watch.seen

def test_resume_with_heads(tmp_path):
    "A learner whose model has heads stops and goes on as if it had not stopped"
    def learner(): return Learner(headed('dual'), Pairs(), InfoNCE(.2)+CSALoss()+USALoss(), lr=1e-2)
    whole = learner().fit(3)
    half = learner().fit(1)
    half.save(tmp_path/'half.safetensors')
    rest = learner().fit(3, resume=tmp_path/'half.safetensors')
    for a,b in ((whole.model,rest.model), (whole.loss,rest.loss)):
        for k,x in a.state_dict().items(): assert torch.equal(x, b.state_dict()[k]), k
    assert sum(isinstance(m, Temperature) for m in rest.loss.modules())==4
