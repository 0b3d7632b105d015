"Images and captions that belong together: read, numbered and batched"
from .batches import RetrievalData
from .doors import open_data
from .folders import read_folder
from .hub import read_hf
from .pairs import CaptionPairs
from .readers import read_karpathy,read_precomp
from .vocab import Vocab,tokenize
