"SGRAF: similarity reasoning and filtration (Diao and others, AAAI 2021)"
from .fast import FastSGRAF
from .model import sgraf
from .released import load_released
