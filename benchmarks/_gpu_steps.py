"""The pair stage of an SGR training step on a GPU: caption by caption, by lengths, padded, compiled, recorded as a CUDA graph

From states to the gradients of states and weights, with a loss that asks all pairs; the encoders stay outside. For each form: time,
memory above what is held before, kernels a step, and the share of the rate of a large product measured in the same run. Without a GPU
the last two forms are left out. Compiling takes long and comes last. A form that a machine refuses is named on stderr and left out."""
import itertools,sys

import torch

from benchmarks._harness import Case,predicted,rate,sync
from benchmarks._sgraf import build,lengths,pair_work,plain_scores,sizes,some_states
from itr_nb.core import ImageStates,TextStates
from itr_nb.sgraf.fast import FastSGRAF
from itr_nb.train.rehearsal import DEVICE,Rehearsal

def every_hinge(sims, margin=.2):
    "The sum of all hinges; unlike `triplet_loss` it looks at nothing, so that it can be recorded"
    pos,other = sims.diagonal(),~torch.eye(len(sims), dtype=torch.bool, device=sims.device)
    return sum((margin+sims-p).clamp(min=0).masked_fill(~other, 0).sum() for p in (pos[:,None],pos))

def step(scores, scorer, images, texts, half):
    "Loss and gradients; the key bias, whose gradient is zero, is left out. In half precision only the loss is given, for gradients differ by its rounding"
    params = [p for k,p in scorer.named_parameters() if 'fc_key.bias' not in k]
    leaves = [x.detach().requires_grad_() for x in (images.glob, images.local, texts.glob, texts.local)]
    def run():
        with torch.autocast(leaves[0].device.type, torch.bfloat16, enabled=half):
            sims = scores(ImageStates(*leaves[:2], images.mask), TextStates(*leaves[2:], texts.mask))
        loss = every_hinge(sims.float())
        grads = torch.autograd.grad(loss, [*leaves,*params])
        return [loss.detach()] if half else [loss.detach(),*grads]
    return run

def at_once(fast):
    "All captions behind a mask, without a look at what they hold: nothing is read back from the device"
    def scores(images, texts):
        nodes,mask = fast.nodes(images, texts)
        return fast.read(fast.gather([nodes], [mask])[0])
    return scores

# From a scorer, what scores by each form; a recorded form asks for its launches at once
forms_of = {
    'by caption': lambda s: lambda i,t: plain_scores(s, i, t),
    'by length': lambda s: FastSGRAF(s, padded=False),
    'padded': lambda s: at_once(FastSGRAF(s, padded=True))}
narrow = dict(dim=32, sim_dim=16, regions=6, image_dim=24)
passes = 10 # Assumed: how often a step reads or writes each wide vector

def rehearsed(form, b):
    "Launches and waits of a form's step"
    scorer = build('SGR', narrow, 'cpu').scorer
    with Rehearsal() as counts:
        states = [s.to(DEVICE) for s in some_states(b, b, narrow, 'cpu')]
        run = step(forms_of[form](scorer.to(DEVICE)), scorer, *states, False)
        counts.clear()
        run()
    return counts.launches.total(),counts.waits.total()

def recorded(run):
    "A step as one CUDA graph"
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3): run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph): out = run()
    def replay():
        graph.replay()
        return out
    return replay

def watched(run, device):
    "Peak memory of one run in MiB above base, and its kernels"
    if not device.startswith('cuda'): return {}
    run(); sync(device)
    torch.cuda.reset_peak_memory_stats()
    base = torch.cuda.memory_allocated()
    run(); sync(device)
    peak = (torch.cuda.max_memory_allocated()-base)/2**20
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as p:
        run(); sync(device)
    return dict(peak_mib=peak, kernels=sum(e.count for e in p.key_averages() if e.device_type==torch.autograd.DeviceType.CUDA))

def cases(args):
    size,cuda,n = sizes(args),args.device.startswith('cuda'),128 if args.small else None
    peak = rate(args.device, torch.bfloat16 if args.bf16 else torch.float32, n)
    sizes_of_batch = [args.batch] if args.batch else (6,) if args.small else (32,128,512) if cuda else (32,)
    for compiles,b in itertools.product((False,True) if cuda else (False,), sizes_of_batch):
        scorer = build('SGR', size, args.device).scorer
        states = some_states(b, b, size, args.device)
        of = lambda scores: step(scores, scorer, *states, args.bf16)
        make = {k:lambda f=f: of(f(scorer)) for k,f in forms_of.items()}
        padded = of(forms_of['padded'](scorer))
        if compiles: make = {'padded':make['padded'], 'padded, compiled':lambda: of(torch.compile(forms_of['padded'](scorer)))}
        elif cuda: make['padded, CUDA graph'] = lambda: recorded(padded)
        counted = {k:rehearsed(k, b) for k in forms_of}|{'padded, CUDA graph':(1, 0)}
        work,wide = 3*b*pair_work('SGR', lengths(b), size),b*int(lengths(b).sum())*size['dim']*(2 if args.bf16 else 4)
        forms,more = {},{}
        for k,f in make.items():
            try: run = f(); run(); more[k] = watched(run, args.device)
            except RuntimeError as e: print(f'{k}, b={b}: left out, {e}', file=sys.stderr)
            else: forms[k] = run
            if k in more and k in counted: more[k] |= dict(zip(('launches','waits'), counted[k]), predicted_ms=predicted(args, peak, *counted[k], work, passes*wide))
        if forms: yield Case('SGR pairs', forms, dict(b=b, bf16=args.bf16, **size), tolerance=.02 if args.bf16 else 1e-4,
            work=work, peaks=dict.fromkeys(forms, peak), more=more)
