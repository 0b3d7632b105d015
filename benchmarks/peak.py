"""How fast this machine multiplies matrices: the yardstick that other figures are read against

Compared with float64; bf16 keeps 8 bits, so it may differ by more."""
import torch

from benchmarks._harness import Case,bench

def cases(args):
    n = 128 if args.small else 2048 if args.device=='cpu' else 8192
    g = torch.Generator().manual_seed(0)
    a,b = (torch.randn(n, n, generator=g).to(args.device)/n**.5 for _ in range(2))
    def product(dtype):
        x,y = a.to(dtype),b.to(dtype)
        return lambda: x@y
    yield Case('square product', {str(d).removeprefix('torch.'):product(d) for d in (torch.float64,torch.float32,torch.bfloat16)},
        dict(n=n), tolerances=dict(float32=1e-4, bfloat16=.05), work=2*n**3)

if __name__=='__main__': bench('peak', cases)
