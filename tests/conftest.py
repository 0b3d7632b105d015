import inspect

import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector, name, obj):
    "A function that a test file only imports (`test_eq` of fastcore.test) is no test of that file"
    if name.startswith('test') and inspect.isfunction(obj) and inspect.unwrap(obj).__code__.co_filename!=str(collector.path): return []

def pytest_collection_modifyitems(items):
    "What takes longest starts first, so that no process waits for another at the end"
    slowest = 'test_site.py', 'test_outputs.py', 'test_mutants.py', 'test_wheel.py'
    items.sort(key=lambda i: slowest.index(i.path.name) if i.path.name in slowest else len(slowest))
