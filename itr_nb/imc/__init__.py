"IMC: the intra-modal constraint (Chen and others, ICIP 2022)"
from .constraint import IMCLoss,intra_modal
from .network import imcnet
