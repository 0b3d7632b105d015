"""Training steps of six models on the device against float64 on the CPU

In float32: scores, loss and gradients. Under bf16: scores and loss, for gradients differ by its rounding. Sums of hinges, not the
hardest, so that rounding chooses nothing. A gradient is divided by the largest entry of all, which is compared as well."""
from copy import deepcopy

import torch

from benchmarks._harness import Case
from benchmarks._sgraf import lengths
from itr_nb.ckstn.model import ckstn
from itr_nb.core import Batch,lengths_to_mask
from itr_nb.cusa.clip import clip
from itr_nb.imc import IMCLoss,imcnet
from itr_nb.losses.infonce import InfoNCE
from itr_nb.losses.triplet import TripletLoss
from itr_nb.model import dual
from itr_nb.sgraf.model import sgraf

vocabulary,side = 200,64

def a_clip(dim):
    "Of CLIP's shape: two layers a side, random weights"
    each = dict(hidden_size=dim, intermediate_size=2*dim, num_hidden_layers=2, num_attention_heads=4, projection_dim=dim)
    words = dict(vocab_size=vocabulary, max_position_embeddings=32, bos_token_id=0, eos_token_id=vocabulary-1)
    return clip(heads='cross', architecture=dict(projection_dim=dim, text_config=each|words, vision_config=each|dict(image_size=side, patch_size=16)))

def models(dim, image_dim, word_dim, regions):
    "What makes each model and its loss"
    size,hinges = dict(dim=dim, word_dim=word_dim),TripletLoss(.2, hardest=False)
    def of_sgraf(kind): return sgraf(kind, vocabulary, image_dim, sim_dim=dim//4, regions=regions, dropout=0., **size)
    return {
        'SAF': lambda: (of_sgraf('SAF'), hinges),
        'SGR': lambda: (of_sgraf('SGR'), hinges),
        'CKSTN': lambda: (ckstn(vocabulary, image_dim, text='gru', dropout=0., **size), hinges+InfoNCE(on='style')),
        'dual': lambda: (dual(image_dim, vocabulary, text='gru', **size), InfoNCE()),
        'IMC': lambda: (imcnet(image_dim, vocabulary, text='gru', dropout=0., **size), hinges+IMCLoss('cosine')),
        'CLIP': lambda: (a_clip(dim), InfoNCE())}

def some_pairs(b, image_dim, regions):
    "What any of the models reads"
    g,n = torch.Generator().manual_seed(b),lengths(b)
    tokens = torch.randint(1, vocabulary-1, (b, int(n.max())), generator=g)
    tokens[torch.arange(b),n-1] = vocabulary-1
    mask = lengths_to_mask(n)
    corners = torch.rand(b, regions, 4, generator=g)/2
    corners[...,2:] += .5
    return Batch(regions=torch.rand(b, regions, image_dim, generator=g), region_mask=torch.ones(b, regions, dtype=torch.bool), boxes=corners,
        pixels=torch.randn(b, 3, side, side, generator=g), tokens=tokens*mask, word_mask=mask, image_id=torch.arange(b))

def scaled(grads):
    "The largest entry, and all divided by it"
    grads = [g for g in grads if g is not None]
    top = max(g.abs().max() for g in grads)
    return [top,*(g/top for g in grads)]

def step(model, loss, batch, half=False, gradients=True):
    "Scores and loss, with gradients if they are asked for"
    params = [p for p in model.parameters() if p.requires_grad]
    def run():
        with torch.autocast(batch.tokens.device.type, torch.bfloat16, enabled=half):
            images,texts = model.encode_image(batch),model.encode_text(batch)
            sims = model.scores(images, texts)[0]
        wide = lambda x: x.float() if half and x.is_floating_point() else x
        total = sum(loss(wide(sims), images.map(wide), texts.map(wide), batch).values())
        grads = torch.autograd.grad(total, params, allow_unused=True) if gradients else ()
        return [sims,total,*(scaled(grads) if gradients else ())]
    return run

def cases(args):
    b = 6 if args.small else 32
    size = dict(dim=32, image_dim=24, word_dim=12, regions=6) if args.small else dict(dim=1024, image_dim=2048, word_dim=300, regions=36)
    pairs = some_pairs(b, size['image_dim'], size['regions'])
    for name,make in models(**size).items():
        torch.manual_seed(0)
        model,loss = (m.train() for m in make())
        exact = deepcopy(model).double(),deepcopy(loss).double(),pairs.to('cpu', torch.double)
        there = model.to(args.device),loss.to(args.device),pairs.to(args.device)
        about = dict(b=b, **size)
        yield Case(f'{name}, float32', {'CPU, float64':step(*exact), 'device':step(*there)}, about, tolerance=2e-4, once=True)
        yield Case(f'{name}, bf16', {'CPU, float64':step(*exact, gradients=False), 'device':step(*there, half=True, gradients=False)}, about, tolerance=.05, once=True)
