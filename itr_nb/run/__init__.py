"A recipe and a data set in, a folder out; the folder is the model, its record and a search engine"
from .folder import Run
from . import ask,export,share,show,vectors
from .ask import Hit,evaluate_runs
from .index import Index
from .training import train,train_once
