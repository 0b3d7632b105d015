"Learn image-text retrieval by building it: what a user types, each imported when it is asked for"
import importlib

__version__ = "0.1.0"

_HOME = dict(
    core='ArgumentError Batch ImageStates Loss Scorer States TextStates seed_everything',
    data='open_data CaptionPairs RetrievalData Vocab '
        'read_folder read_hf read_karpathy read_precomp',
    workshop='load',
    losses='InfoNCE TripletLoss',
    train='Callback Learner',
    judge='evaluate retrieval_report',
    model='RetrievalModel dual factory load_model save_model',
    registry='loss',
    recipe='load_recipe',
    run='Index Run train_once',
)
_module_of = {name:module for module,names in _HOME.items() for name in names.split()}
__all__ = ['__version__', *_module_of]

def __getattr__(name):
    if name not in _module_of:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_module_of[name]}'), name)

def __dir__(): return sorted(set(globals()) | set(__all__))
