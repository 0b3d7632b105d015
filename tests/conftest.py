"How the tests run: which functions are tests, in which order, and from which state of the global generators"
import inspect,random

import pytest
from tools.seeds import seed_generators

def pytest_addoption(parser):
    parser.addoption('--seed', type=int, metavar='N',
        help='number from which the global generators are seeded anew for each test; drawn if not given')

def pytest_configure(config):
    "Draw the run's number; a worker of xdist has it from the process that started it"
    given = getattr(config, 'workerinput', {}).get('seed', config.option.seed)
    config.option.seed = random.SystemRandom().randrange(10**6) if given is None else given

@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node): node.workerinput['seed'] = node.config.option.seed

def pytest_sessionstart(session):
    "Say the number, which `-q` would leave out of a header"
    config = session.config
    says = config.pluginmanager.get_plugin('terminalreporter')
    if says and not hasattr(config, 'workerinput'):
        says.write_line(f'global generators: --seed {config.option.seed}')

@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    "What several tests share starts from its own name: which of them asks first makes no difference"
    if fixturedef.scope!='function':
        seed_generators(request.config.option.seed, f'{fixturedef.baseid}::{fixturedef.argname}')

@pytest.fixture(autouse=True)
def seeded(request):
    "The global generators, seeded from the run's number and the test's name"
    test = request.node
    return seed_generators(request.config.option.seed, f'{test.path.name}::{test.name}')

@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector, name, obj):
    "A function that a test file only imports (`test_eq` of fastcore.test) is no test of that file"
    if name.startswith('test') and inspect.isfunction(obj) and inspect.unwrap(obj).__code__.co_filename!=str(collector.path): return []

def pytest_collection_modifyitems(items):
    "What takes longest starts first, so that no process waits for another at the end"
    slowest = 'test_site.py', 'test_outputs.py', 'test_mutants.py', 'test_wheel.py'
    items.sort(key=lambda i: slowest.index(i.path.name) if i.path.name in slowest else len(slowest))
