"""One command for a GPU, in under eight minutes: what is right there, and how fast

Parts in order of worth, each with its seconds; a part that takes longer is cut off, which is said, and `--out` is written after each
case, so that an end from outside loses nothing. TF32 is off. Without a GPU the small form runs on the CPU, and says so. Written for an
H200; it has been run on a CPU only.

`predicted_ms` stands beside times, made beforehand: launches and waits as a rehearsal counts them at narrow sizes, times what a launch and
a wait are assumed to cost, or operations over the rate of a large product plus bytes over the bandwidth, whichever is more. The
costs are assumptions (`--launch_us`, `--wait_us`), the bandwidth is that of NVIDIA's data sheet of the H200; a run confirms or refutes them."""
import sys

import torch

from benchmarks import _gpu_correct,_gpu_steps,_gpu_work
from benchmarks._harness import bench

parts = {
    'correctness':(100, _gpu_correct.cases),
    'steps':(140, _gpu_steps.cases),
    'scores':(60, _gpu_work.scores),
    'search':(40, _gpu_work.search),
    'training':(110, _gpu_work.training)}

def options(p):
    p.add_argument('--batch', type=int, help='pairs in a batch of the steps (default 32, 128 and 512, without a GPU 32)')
    p.add_argument('--launch_us', type=float, default=5, help='assumed cost of a launch, in microseconds (default 5)')
    p.add_argument('--wait_us', type=float, default=20, help='assumed cost of a wait, in microseconds (default 20)')
    p.add_argument('--gb_per_s', type=float, default=4800, help='bandwidth of the memory (default 4800, an H200 by its data sheet)')
    p.add_argument('--bf16', action='store_true', help='all forms of the steps under autocast')
    there = torch.cuda.is_available()
    if not there: print('no GPU: the small form, on the CPU', file=sys.stderr)
    p.set_defaults(device='cuda' if there else 'cpu', small=not there, repeats=None if not there else 5)

if __name__=='__main__':
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    bench('gpu', parts, options)
