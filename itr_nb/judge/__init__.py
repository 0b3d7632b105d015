"Where the right answer stands"
from .graded import map_at_r,r_precision
from .ranks import ranks,retrieval_report
from .report import Report,evaluate,validator
