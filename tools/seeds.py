"One number seeds the generators that every library shares, anew for each test, so that no test lives on what another one drew"
import random,zlib

def seed_generators(
    number, # Of the whole run
    name, # Of what is about to run
):
    "Seed `random`, numpy and torch from the run's number mixed with the name; what they were seeded with"
    import numpy as np
    import torch
    seed = zlib.crc32(f'{number}:{name}'.encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return seed
