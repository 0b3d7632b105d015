"From vectors to scores"
from .all_pairs import all_pairs
from .cosine import cosine
from .recompute import recompute,Score
from .search import best,Index
