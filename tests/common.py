"What several hand-written tests need: where things lie, and the folder of shared data beside the project"
import os
from pathlib import Path

import pytest

root = Path(__file__).resolve().parents[1]

def shared(
    path='', # A path inside the folder of shared data
):
    "`path` in the folder that `ITR_NB_SHARED` names, else in `shared` beside the project; skip the test where there is none"
    given = os.environ.get('ITR_NB_SHARED')
    folder = Path(given) if given else root.parent/'shared'
    if not folder.is_dir(): pytest.skip(f'no folder of shared data: {folder} (set ITR_NB_SHARED)')
    if not (folder/path).exists(): pytest.skip(f'{folder/path} does not exist')
    return folder/path
