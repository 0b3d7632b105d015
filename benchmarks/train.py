"""A training step of the whole model, forward and backward: caption by caption against the fast form

SGR with the hardest negatives (MH) and with all (SH), SAF with the hardest; the encoders run in all forms. Loss and all gradients
must agree, and for SAF the running statistics of both forms start alike. The key bias of SGR is left out: its gradient is zero, and
a form that computes it gives rounding noise. With all negatives 32,512 hinges add up and mostly cancel, so that in float32 even the two
plain forms differ by 1e-4; that all are equal is shown in float64 by `parity`. The forms marked oneDNN use its kernels for float32 in
place of MKL's, where they keep float32. `share` is the part of the rate of a large product, with the same kernels in the same run, that
the operations which the step needs come to: encoders and pairs forward and twice that backward, of SGR with the hardest negatives only 3b pairs backward."""
import torch

from benchmarks._harness import Case,bench,rate
from benchmarks._sgraf import a_batch,build,encoder_work,lengths,pair_work,plain_step_scores,sizes
from benchmarks.score import by_onednn
from itr_nb.losses.triplet import triplet_loss
from itr_nb.score.kernels import onednn,onednn_is_exact
from itr_nb.score.recompute import recompute
from itr_nb.sgraf.fast import FastSGRAF

def step(model, batch, scores, hardest):
    "Loss and gradients; buffers are put back"
    params = [p for k,p in model.named_parameters() if 'fc_key.bias' not in k]
    def run():
        before = [(b, b.clone()) for b in model.buffers()]
        loss = triplet_loss(scores(), hardest=hardest)
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            for b,x in before: b.copy_(x)
        return [loss.detach(),*grads]
    return run

def forms_of(model, batch, kind, hardest):
    def encoded(score): return lambda: score(model.encode_image(batch), model.encode_text(batch))
    scores = {'by caption':lambda: plain_step_scores(model, batch), 'equations':encoded(model.scorer), 'fast':encoded(FastSGRAF(model.scorer)),
        'fast, recompute':encoded(lambda i,t: recompute(FastSGRAF(model.scorer), i, t, budget=2**28))}
    return {k:step(model, batch, f, hardest) for k,f in scores.items()}

def step_work(kind, hardest, b, size):
    words = lengths(b)
    once,pairs = b*pair_work(kind, words, size),3 if kind=='SGR' and hardest else b
    return 3*encoder_work(b, words, size)+once*(1+2*pairs/b)

def cases(args):
    size,b = sizes(args),args.batch or (8 if args.small else 128)
    n,exact = 128 if args.small else None,args.device=='cpu' and onednn_is_exact()
    single = rate(args.device, n=n)
    with onednn(): twice = rate(args.device, n=n)
    for kind,hardest in (('SGR',True), ('SAF',True), ('SGR',False)):
        model,batch = build(kind, size, args.device),a_batch(b, size, args.device)
        name = f'{kind} {"MH" if hardest else "SH"}'
        if args.only and args.only!=name: continue
        forms = forms_of(model, batch, kind, hardest)
        peaks = dict.fromkeys(forms, single)
        if exact and args.onednn:
            for k in ('by caption','fast','fast, recompute'): forms[f'{k}, oneDNN'],peaks[f'{k}, oneDNN'] = by_onednn(forms[k]),twice
        yield Case(name, forms, dict(b=b, **size), tolerance=1e-4 if hardest else 1e-3, work=step_work(kind, hardest, b, size), peaks=peaks)

def options(p):
    p.add_argument('--batch', type=int, help='pairs in a batch (default 128)')
    p.add_argument('--only', help="one case, such as 'SGR MH'")
    p.add_argument('--onednn', action='store_true', help="also with oneDNN's float32 products, where they are float32")
    p.set_defaults(repeats=2)

if __name__=='__main__': bench('train', cases, options)
