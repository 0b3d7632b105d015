"What to ask of the scores"
from .infonce import InfoNCE,info_nce
from .triplet import TripletLoss,triplet_loss
