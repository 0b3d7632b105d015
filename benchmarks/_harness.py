"What all benchmarks share: forms run in turn, medians, ratios, differences, JSON"
import argparse,json,os,platform,statistics,sys,time
from collections.abc import Callable,Iterator
from dataclasses import dataclass,field

import torch

@dataclass
class Case:
    "Several forms of one computation; the first is what the others are compared with"
    name:str # What is computed
    forms:dict[str,Callable] # Each returns a tensor, or a list of them, that must agree
    size:dict = field(default_factory=dict) # The sizes that it was run at
    tolerance:float = 1e-5 # Largest difference allowed, relative to the largest value of the first form (and at least to 1)
    tolerances:dict[str,float] = field(default_factory=dict) # Where a form may differ by another amount
    work:float|None = None # Floating point operations that the result needs, for a rate
    peaks:dict[str,float] = field(default_factory=dict) # From `rate`, in the form's own precision, for a share
    more:dict[str,dict] = field(default_factory=dict) # Other numbers of a form, to be shown and written as they are

def tensors(x): return [torch.as_tensor(t).detach().double().cpu() for t in (x if isinstance(x, (list,tuple)) else [x])]

def difference(got, want):
    "Largest difference relative to the largest value of `want`, at least to 1"
    got,want = tensors(got),tensors(want)
    if [t.shape for t in got]!=[t.shape for t in want]: return float('inf')
    worst = max((((a-b).abs().max()/b.abs().max().clamp(min=1)).item() if b.numel() else 0.) for a,b in zip(got, want))
    return worst if worst==worst else float('inf')

def sync(device):
    if device.startswith('cuda'): torch.cuda.synchronize()

def measure(case, repeats, device):
    "One warm-up of each form, then all in turn, `repeats` times"
    results = {k:f() for k,f in case.forms.items()}
    times = {k:[] for k in case.forms}
    for _ in range(repeats):
        for k,f in case.forms.items():
            sync(device)
            wall,cpu = time.perf_counter(),time.process_time()
            f()
            sync(device)
            times[k].append((time.perf_counter()-wall, time.process_time()-cpu))
    first = next(iter(case.forms))
    median = {k:[statistics.median(t) for t in zip(*v)] for k,v in times.items()}
    forms = {}
    for k,(wall,cpu) in median.items():
        diff,limit = difference(results[k], results[first]),case.tolerances.get(k, case.tolerance)
        forms[k] = dict(wall_ms=wall*1e3, cpu_ms=cpu*1e3, ratio=median[first][0]/wall, cpu_ratio=median[first][1]/max(cpu, 1e-9), max_difference=diff, allowed=limit, exact=diff<=limit)
        if case.work: forms[k]['gflops'] = case.work/wall/1e9
        if k in case.peaks: forms[k]['share'] = case.work/(cpu if device=='cpu' else wall)/1e9/case.peaks[k]
        forms[k] |= case.more.get(k, {})
    return dict(name=case.name, size=case.size, repeats=repeats, forms=forms)

def rate(device, dtype=torch.float32, n=None, repeats=5):
    "GFLOP/s of a square product, the best of a few: on a CPU by CPU seconds, which a busy machine does not stretch"
    clock = time.process_time if device=='cpu' else time.perf_counter
    n = n or (1536 if device=='cpu' else 8192)
    x,best = torch.randn(n, n, generator=torch.Generator().manual_seed(0)).to(device, dtype),float('inf')
    for _ in range(repeats):
        sync(device)
        start = clock()
        x @ x
        sync(device)
        best = min(best, clock()-start)
    return 2*n**3/best/1e9

def machine(device):
    return dict(processor=platform.processor() or platform.machine(), cores=os.cpu_count(), threads=torch.get_num_threads(),
        torch=torch.__version__, device=torch.cuda.get_device_name() if device.startswith('cuda') else device)

def show(result):
    "A table on stderr"
    print(f"{result['name']}  {' '.join(f'{k}={v}' for k,v in result['size'].items())}", file=sys.stderr)
    for k,f in result['forms'].items():
        rate = f"  {f['gflops']:8.1f} GFLOP/s" if 'gflops' in f else ''
        known = {'wall_ms','cpu_ms','ratio','cpu_ratio','max_difference','allowed','exact','gflops'}
        more = ''.join(f'  {n} {x:.2f}' for n,x in f.items() if n not in known)
        print(f"  {k:<18} {f['wall_ms']:10.3f} ms wall {f['cpu_ms']:10.3f} ms CPU  {f['ratio']:7.2f}x {f['cpu_ratio']:7.2f}x CPU  difference {f['max_difference']:.1e}"
              f"{rate}{more}{'' if f['exact'] else '  DIFFERS'}", file=sys.stderr)

def bench(
    name:str, # The benchmark's name
    cases:Callable[[argparse.Namespace],Iterator[Case]], # Makes the cases from the arguments
    options:Callable[[argparse.ArgumentParser],None]=lambda p: None, # Adds arguments of its own
    argv:list[str]|None=None, # The command line, without the command
)->dict: # What is printed as JSON
    "Run the cases; a table to stderr, JSON to stdout; leaves with an error if two forms differ"
    p = argparse.ArgumentParser(prog=f'python -m benchmarks.{name}')
    p.add_argument('--small', action='store_true', help='sizes that take a second, for the tests')
    p.add_argument('--repeats', type=int, help='runs of each form (default 9, with --small 2)')
    p.add_argument('--device', default='cpu', help='cpu or cuda')
    p.add_argument('--out', help='write the JSON to this file as well')
    options(p)
    args = p.parse_args(argv)
    repeats = args.repeats or (2 if args.small else 9)
    results = []
    for case in cases(args):
        results.append(measure(case, repeats, args.device))
        show(results[-1])
    report = dict(benchmark=name, small=args.small, machine=machine(args.device), cases=results)
    text = json.dumps(report)
    print(text)
    if args.out:
        with open(args.out, 'w', encoding='utf-8') as f: f.write(text+'\n')
    wrong = [f"{r['name']}: {k}" for r in results for k,f in r['forms'].items() if not f['exact']]
    if wrong: sys.exit(f'{name}: forms differ: {"; ".join(wrong)}')
    return report
