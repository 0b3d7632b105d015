"What all benchmarks share: forms run in turn, medians, ratios, differences, JSON"
import argparse,contextlib,json,os,platform,signal,statistics,sys,time,traceback
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
    once:bool = False # Is each form run once, and that run timed?

def tensors(x): return [torch.as_tensor(t).detach().double().cpu() for t in (x if isinstance(x, (list,tuple)) else [x])]

def difference(got, want):
    "Largest difference relative to the largest value of `want`, at least to 1"
    got,want = tensors(got),tensors(want)
    if [t.shape for t in got]!=[t.shape for t in want]: return float('inf')
    worst = max((((a-b).abs().max()/b.abs().max().clamp(min=1)).item() if b.numel() else 0.) for a,b in zip(got, want))
    return worst if worst==worst else float('inf')

def sync(device):
    if device.startswith('cuda'): torch.cuda.synchronize()

def timed(f, device):
    "What `f` gives; wall and CPU seconds"
    sync(device)
    wall,cpu = time.perf_counter(),time.process_time()
    result = f()
    sync(device)
    return result,(time.perf_counter()-wall, time.process_time()-cpu)

def measure(case, repeats, device):
    "One warm-up of each form, then all in turn, `repeats` times"
    results,times = {},{}
    for k,f in case.forms.items():
        results[k],took = timed(f, device)
        times[k] = [took] if case.once else []
    for _ in range(0 if case.once else repeats):
        for k,f in case.forms.items(): times[k].append(timed(f, device)[1])
    first = next(iter(case.forms))
    median = {k:[statistics.median(t) for t in zip(*v)] for k,v in times.items()}
    forms = {}
    for k,(wall,cpu) in median.items():
        diff,limit = difference(results[k], results[first]),case.tolerances.get(k, case.tolerance)
        forms[k] = dict(wall_ms=wall*1e3, cpu_ms=cpu*1e3, ratio=median[first][0]/wall, cpu_ratio=median[first][1]/max(cpu, 1e-9), max_difference=diff, allowed=limit, exact=diff<=limit)
        if case.work: forms[k]['gflops'] = case.work/wall/1e9
        if k in case.peaks: forms[k]['share'] = case.work/(cpu if device=='cpu' else wall)/1e9/case.peaks[k]
        forms[k] |= case.more.get(k, {})
    return dict(name=case.name, size=case.size, repeats=0 if case.once else repeats, forms=forms)

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

def predicted(args, peak, launches=0, waits=0, work=0, moved=0):
    "Milliseconds beforehand: the host's launches, or the device's operations and bytes, whichever is more, and the waits"
    host = launches*args.launch_us/1e3
    device = work/peak/1e6+moved/args.gb_per_s/1e6
    return max(host, device)+waits*args.wait_us/1e3

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

class TimeUp(BaseException): "The seconds of a part are over; no handler of errors may keep it"

@contextlib.contextmanager
def within(seconds):
    "Cut off what takes longer; None for no limit. It ends between two steps of Python, never within one call into torch"
    if seconds is None:
        yield
        return
    def end(*_): raise TimeUp
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try: yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

def run_part(seconds, cases, args, keep):
    "Give each result of a part to `keep`; why the part ended early, or None"
    try:
        with within(seconds):
            for case in cases(args): keep(measure(case, args.repeats, args.device))
    except TimeUp: return f'cut off after {seconds} seconds'
    except Exception as e: # The other parts go on
        traceback.print_exc()
        return f'failed, {e}'

def arguments(name, options, argv):
    p = argparse.ArgumentParser(prog=f'python -m benchmarks.{name}')
    p.add_argument('--small', action='store_true', help='sizes that take a second, for the tests')
    p.add_argument('--repeats', type=int, help='runs of each form (default 9, with --small 2)')
    p.add_argument('--device', default='cpu', help='cpu or cuda')
    p.add_argument('--out', help='write the JSON to this file as well, after each case')
    options(p)
    args = p.parse_args(argv)
    args.repeats = args.repeats or (2 if args.small else 9)
    return args

def bench(
    name:str, # The benchmark's name
    parts:Callable[[argparse.Namespace],Iterator[Case]]|dict[str,tuple], # Makes the cases from the arguments; or such by name, each with its seconds
    options:Callable[[argparse.ArgumentParser],None]=lambda p: None, # Adds arguments of its own
    argv:list[str]|None=None, # The command line, without the command
)->dict: # What is printed as JSON
    "Run the cases; a table to stderr, JSON to stdout; leaves with an error if two forms differ or a part failed"
    args = arguments(name, options, argv)
    report = dict(benchmark=name, small=args.small, machine=machine(args.device), cases=[], ended={})
    def write():
        if args.out:
            with open(args.out, 'w', encoding='utf-8') as f: f.write(json.dumps(report)+'\n')
    def keep(result):
        report['cases'].append(result)
        show(result)
        write()
    for part,(seconds,cases) in (parts if isinstance(parts, dict) else {name:(None, parts)}).items():
        if why := run_part(seconds, cases, args, keep):
            report['ended'][part] = why
            print(f'{part}: {why}', file=sys.stderr)
    write()
    print(json.dumps(report))
    wrong = [f"{r['name']}: {k}" for r in report['cases'] for k,f in r['forms'].items() if not f['exact']]
    if wrong: sys.exit(f'{name}: forms differ: {"; ".join(wrong)}')
    failed = [part for part,why in report['ended'].items() if why.startswith('failed')]
    if failed: sys.exit(f'{name}: failed: {", ".join(failed)}')
    return report
