"CKSTN: a style transformer with common knowledge"
from .matching_loss import MatchingLoss
from .model import ckstn
