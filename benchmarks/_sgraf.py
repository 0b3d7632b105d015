"""SGRAF as its equations read, caption by caption, and the data that the benchmarks feed it

One caption meets all images at a time, in a Python loop: the shape of the authors' program, and what it costs."""
import torch
from torch.nn.functional import leaky_relu

from itr_nb.core import Batch,ImageStates,lengths_to_mask,TextStates
from itr_nb.sgraf.model import sgraf

def unit(x): return x/(x.pow(2).sum(-1, keepdim=True).sqrt()+1e-8)

def similarity(fc, x, y): return unit(fc((x-y)**2))                                     # Eq. (1)

def attend(v, t, smooth, words_first=False):
    """What each word of one caption (w d) sees in each image (n r d): Eq. (3)-(4)

    As the paper writes it, vectors are columns and $c_{ij}$ has a row for each region: 36 rows by a dozen columns. `words_first` multiplies
    the transposed matrices, which processors do faster."""
    words = t.expand(len(v), *t.shape)
    c = leaky_relu(torch.bmm(words, v.mT).mT if words_first else torch.bmm(v, words.mT), .1)   # (n r w)
    a = (smooth*c/(c.pow(2).sum(2, keepdim=True).sqrt()+1e-8)).softmax(1)
    return unit(torch.bmm(a.mT, v) if words_first else torch.bmm(v.mT, a).mT)

def graph(sgr, s):
    for step in sgr.steps:                                                              # Eq. (6)-(8)
        e = torch.bmm(step.fc_query(s), step.fc_key(s).mT).softmax(-1)
        s = step.fc_graph(torch.bmm(e, s)).relu()
    return s[:,0]

def filtration(saf, s, stats):
    x = saf.fc(s).squeeze(-1)                                                           # Eq. (9)
    if saf.training:
        mean,var,k = x.mean(),x.var(correction=0),x.numel()
        for buffer,new in zip(stats, (mean, var*k/(k-1))): buffer.copy_(.9*buffer+.1*new.detach())
    else: mean,var = stats
    beta = ((x-mean)/(var+saf.bn.eps).sqrt()*saf.bn.weight+saf.bn.bias).sigmoid()
    beta = beta/(beta.sum(-1, keepdim=True)+1e-8)
    return unit(torch.bmm(beta[:,None], s)[:,0])

def pair_work(kind, words, size, steps=3):
    "Operations that the scores of an image with captions of these lengths (a tensor) need at least: attention, similarity, the graph folded"
    r,d,m = size['regions'],size['dim'],size['sim_dim']
    n = words+1
    work = 4*r*words*d+2*n*d*m
    if kind=='SGR': work = work+(steps-1)*(4*n*m*m+4*n*n*m)+4*m*m+4*n*m
    return float(work.double().sum())

def encoder_work(b, words, size, word_dim=300):
    "Operations of both encoders forward, b images and captions of these lengths"
    f,d,tokens = size['image_dim'],size['dim'],int(words.sum())
    return 2.*(b*size['regions']*d*(f+d)+tokens*(2*3*d*(word_dim+d)+d*d))

def plain_scores(scorer, images, texts, words_first=False):
    "Scores of every image with every caption; the running statistics of `scorer` stay as they are"
    out,stats = [],[b.clone() for b in (scorer.reason.bn.running_mean, scorer.reason.bn.running_var)] if scorer.kind=='SAF' else None
    for glob,local,mask in zip(texts.glob, texts.local, texts.mask):
        t = local[:int(mask.sum())]
        near = similarity(scorer.compare_local.fc, attend(images.local, t, scorer.attention['smooth'], words_first), t[None])
        whole = similarity(scorer.compare_global.fc, images.glob, glob[None])
        nodes = torch.cat([whole[:,None], near], 1)
        s = filtration(scorer.reason, nodes, stats) if scorer.kind=='SAF' else graph(scorer.reason, nodes)
        out.append(scorer.head(s).sigmoid())
    return torch.cat(out, 1)

def plain_step_scores(model, batch):
    "The same from the batch; the released program pools the words of one caption at a time"
    images = model.encode_image(batch)
    local,mask = model.text_encoder(batch)
    glob = torch.cat([model.text_pool(x[None,:n], m[None,:n]) for x,m,n in zip(local, mask, mask.sum(1).tolist())])
    return plain_scores(model.scorer, images, TextStates(glob, local, mask))

def lengths(n, seed=0):
    "Words of COCO's captions with both specials: 10 to 18, most of them 12 or 13"
    share = torch.tensor([.12,.20,.22,.17,.11,.07,.05,.03,.03])
    return torch.multinomial(share, n, True, generator=torch.Generator().manual_seed(seed))+10

def sizes(args): return dict(dim=32, sim_dim=16, regions=6, image_dim=24) if args.small else dict(dim=1024, sim_dim=256, regions=36, image_dim=2048)

def build(kind, size, device, dtype=torch.float32):
    torch.manual_seed(0)
    model = sgraf(kind, 200 if size['dim']<100 else 8481, size['image_dim'], size['dim'], 300 if size['dim']>100 else 12, size['sim_dim'], regions=size['regions'], dropout=0.)
    return model.to(device, dtype).train()

def a_batch(b, size, device, dtype=torch.float32):
    g = torch.Generator().manual_seed(b)
    n = lengths(b).sort(descending=True).values
    tokens = torch.randint(1, 200, (b, int(n.max())), generator=g)*lengths_to_mask(n)
    return Batch.of(regions=torch.rand(b, size['regions'], size['image_dim'], generator=g), tokens=tokens, lengths=n).to(device, dtype)

def some_states(n, m, size, device, dtype=torch.float32):
    "States of n images and m captions"
    g,k = torch.Generator().manual_seed(n),lengths(m)
    def draw(*shape): return unit(torch.randn(*shape, generator=g)).to(device, dtype)
    d = size['dim']
    images = ImageStates(draw(n, d), draw(n, size['regions'], d), torch.ones(n, size['regions'], dtype=torch.bool, device=device))
    return images,TextStates(draw(m, d), draw(m, int(k.max()), d), lengths_to_mask(k).to(device))
