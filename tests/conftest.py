import inspect

import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector, name, obj):
    "A function that a test file only imports (`test_eq` of fastcore.test) is no test of that file"
    if name.startswith('test') and inspect.isfunction(obj) and inspect.unwrap(obj).__code__.co_filename!=str(collector.path): return []
