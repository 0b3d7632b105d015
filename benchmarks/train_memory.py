"""Peak memory of a training step above what the process holds before it: caption by caption against the fast form

Each form runs in a process of its own, since memory once touched stays with a process; a small step comes first, so that libraries
are loaded. `memory_ratio` is how many times less a form takes than the first. Times are those of a small step and of no interest."""
import json,resource,subprocess,sys

import torch

from benchmarks._harness import Case,bench
from benchmarks._sgraf import a_batch,build,sizes
from benchmarks.train import forms_of

names = ('by caption','equations','fast','fast, recompute')

def high_water(device):
    "Most memory so far, in MiB"
    if device.startswith('cuda'): return torch.cuda.max_memory_allocated()/2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/(2**20 if sys.platform=='darwin' else 2**10)

def peak(kind, hardest, form, b, size, device):
    "MiB above base of one step of one form"
    model = build(kind, size, device)
    forms_of(model, a_batch(4, size, device), kind, hardest)[form]()
    batch = a_batch(b, size, device)
    before = high_water(device)
    forms_of(model, batch, kind, hardest)[form]()
    return high_water(device)-before

def ask(kind, hardest, form, b, args):
    words = [sys.executable, '-m', 'benchmarks.train_memory', '--measure', json.dumps([kind, hardest, form, b, sizes(args), args.device])]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode: sys.exit(done.stderr)
    return json.loads(done.stdout)

def cases(args):
    b = args.batch or (8 if args.small else 128)
    for kind,hardest in (('SGR',True), ('SAF',True), ('SGR',False))[:1 if args.small else 3]:
        name = f'{kind} {"MH" if hardest else "SH"}'
        if args.only and args.only!=name: continue
        found = {k:ask(kind, hardest, k, b, args) for k in names}
        more = {k:dict(peak_mib=m, memory_ratio=found[names[0]]/max(m, 1)) for k,m in found.items()}
        small = dict(dim=32, sim_dim=16, regions=6, image_dim=24)
        yield Case(name, forms_of(build(kind, small, args.device), a_batch(8, small, args.device), kind, hardest), dict(b=b, **sizes(args)), tolerance=1e-4, more=more)

def options(p):
    p.add_argument('--batch', type=int, help='pairs in a batch (default 128)')
    p.add_argument('--only', help="one case, such as 'SGR MH'")
    p.set_defaults(repeats=2)

if __name__=='__main__':
    if sys.argv[1:2]==['--measure']: print(json.dumps(peak(*json.loads(sys.argv[2]))))
    else: bench('train_memory', cases, options)
