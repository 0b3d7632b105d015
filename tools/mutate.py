"""Put one-line faults into a module and see that its page's tests notice; prints the faults that nobody noticed

The faults stand in itr_nb/faults/<module>.toml. Each runs in a fork of one warm process: the child makes the module from the
faulty source, puts it in place of the real one, loads the page's test file afresh and calls its test functions. A fault names
the test that notices it; that one is called first, and with the unchanged module only those that some fault names, since all of
them run in the suite. `--record` writes the names: for each fault the quickest test that notices."""
import argparse,ast,contextlib,importlib,importlib.util,inspect,json,os,resource,signal,sys,tempfile,time,tomllib,traceback,types
from dataclasses import dataclass
from pathlib import Path

root = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(root))

import tomli_w

from tools.pages import pages
from tools.seeds import seed_generators
from tools.warm import serve

mutants = root/'itr_nb'/'faults'
noticed,unnoticed = 1,0 # exit codes of a child

@dataclass
class Mutant:
    old:str
    new:str
    why:str
    test:str = '' # The test that notices; '' for one that the module does not survive, and where it is not recorded yet

def read_mutants(module):
    "The faults listed for a module"
    path = mutants/f'{module}.toml'
    return [Mutant(**m) for m in tomllib.loads(path.read_text(encoding='utf-8'))['mutant']]

def apply(source, m, where):
    "The source with one fault in it"
    if '\n' in m.old: raise ValueError(f'{where}: old spans lines: {m.old!r}')
    if (n:=source.count(m.old))!=1: raise ValueError(f'{where}: old occurs {n} times, not once: {m.old!r}')
    changed = source.replace(m.old, m.new)
    ast.parse(changed)
    return changed

def install(name, source, path):
    "Run `source` as the module `name`, in the place of the real one, and of what its package offers of it"
    package,real = importlib.import_module(name.rpartition('.')[0]),importlib.import_module(name)
    module = types.ModuleType(name)
    module.__file__,module.__package__ = str(path),package.__name__
    offered = [k for k,v in vars(package).items() if vars(real).get(k, module) is v]
    sys.modules[name] = module
    exec(compile(source, str(path), 'exec'), module.__dict__)
    for k in offered: setattr(package, k, vars(module).get(k))
    for k in [k for k,v in vars(package).items() if v is real]: setattr(package, k, module)

def tests_of(module):
    "The test files of all pages that export to a module, its own page's first"
    found = [p for p in pages() if module in p.modules and p.tests.exists()]
    return [p.tests for p in sorted(found, key=lambda p: p.module!=module)]

def load_tests(path):
    "The test functions of a file, loaded afresh, each with the name that it draws from"
    spec = importlib.util.spec_from_file_location('mutated_tests', path)
    tests = importlib.util.module_from_spec(spec)
    seed_generators(0, path.name)
    spec.loader.exec_module(tests)
    found = [f for k,f in vars(tests).items() if k.startswith('test_') and inspect.isfunction(f) and f.__module__=='mutated_tests']
    return [(f, f'{path.name}::{f.__name__}') for f in found]

def run_tests(paths, first, only, seconds):
    """Load test files afresh and call their test functions, each from the same state of the global generators

    Those named `first` come first, then, unless there are to be no others, the rest, the quickest of `seconds` leading.
    `seconds` gets the time of each, and what the first that failed is called under ''."""
    from _pytest.outcomes import Skipped
    found = [t for path in paths for t in load_tests(path)]
    named = [t for t in found if t[0].__name__ in first]
    rest = [] if only and named else [t for t in found if t not in named]
    for f,draws in named+sorted(rest, key=lambda t: seconds.get(t[0].__name__, 0)):
        if any(m.name in ('slow','cuda','hub','skip') for m in getattr(f, 'pytestmark', ())): continue
        seed_generators(0, draws)
        began,seconds[''] = time.monotonic(),f.__name__
        with contextlib.suppress(Skipped): f()
        seconds[f.__name__] = time.monotonic()-began
    seconds[''] = ''

def child(name, source, path, tests, first, only, seconds, log, times):
    "In the fork: exit 0 if every test passes, 1 if one fails; `times` gets what `run_tests` says"
    os.dup2(log, 1); os.dup2(log, 2)
    code = noticed
    try:
        install(name, source, path)
        run_tests(tests, first, only, seconds)
        code = unnoticed
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os.write(times, json.dumps(seconds).encode())
    os._exit(code)

def try_one(name, source, path, tests, timeout, first=(), only=False, seconds=None):
    "Exit code of the child (a child that runs out of time has noticed), what it printed, and what `run_tests` says of its tests"
    sys.stdout.flush(); sys.stderr.flush()
    with tempfile.TemporaryFile() as log,tempfile.TemporaryFile() as times:
        pid = os.fork()
        if not pid: child(name, source, path, tests, first, only, dict(seconds or {}), log.fileno(), times.fileno())
        end = time.monotonic()+timeout
        while (done:=os.waitpid(pid, os.WNOHANG))[0]==0:
            if time.monotonic()>end:
                os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
                return noticed,'out of time',{}
            time.sleep(.005)
        log.seek(0); times.seek(0)
        return os.waitstatus_to_exitcode(done[1]),log.read().decode(errors='replace'),json.loads(times.read() or '{}')

def warm(page, tests):
    "Import once what the module and its tests import, apart from the module itself"
    for path in (page.source, *tests):
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            if isinstance(node, ast.ImportFrom):
                names = [importlib.util.resolve_name('.'*node.level+(node.module or ''), f'itr_nb.{page.module}'.rpartition('.')[0])]
            elif isinstance(node, ast.Import): names = [a.name for a in node.names]
            else: continue
            for n in names:
                if n!=f'itr_nb.{page.module}': importlib.import_module(n)

def mutate(page, timeout=60, record=False):
    """Lines about every fault that goes unnoticed, and about a control that fails; empty when all is well

    A fault may hang its tests. It has ten times as long as the control took, at least `timeout`, so that a busy machine hides none."""
    source,listed,name = page.source.read_text(encoding='utf-8'),read_mutants(page.module),f'itr_nb.{page.module}'
    where = f'itr_nb/faults/{page.module}.toml'
    tests = tests_of(page.module)
    warm(page, tests)
    began = time.monotonic()
    named = set() if record else {m.test for m in listed if m.test}
    code,out,seconds = try_one(name, source, page.source, tests, 10*timeout, named, only=named)
    timeout = max(timeout, 10*(time.monotonic()-began))
    if code!=unnoticed: return [f'{page.module}: the unchanged module does not pass its own tests\n{out[-2000:]}']
    problems = []
    for m in listed:
        try: changed = apply(source, m, where)
        except (ValueError, SyntaxError) as e:
            problems.append(f'{where}: {e}')
            continue
        first = () if record or not m.test else (m.test,)
        code,_,said = try_one(name, changed, page.source, tests, timeout, first, seconds=seconds)
        m.test = said.get('', '')
        if code==unnoticed: problems.append(f'{page.module}: unnoticed: {m.old!r} → {m.new!r} ({m.why})')
    if record and not problems: write_mutants(page.module, listed)
    return problems

def write_mutants(module, listed):
    "The faults of a module as a file, each with the test that notices it"
    keep = lambda m: {k:v for k,v in vars(m).items() if v or k!='test'}
    (mutants/f'{module}.toml').write_text(tomli_w.dumps({'mutant':[keep(m) for m in listed]}), encoding='utf-8')

if __name__=='__main__':
    args = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    args.add_argument('modules', nargs='*', help='modules, all that have a list of faults if none is named')
    args.add_argument('--timeout', type=float, default=60, help='seconds for one fault, at least')
    args.add_argument('--record', action='store_true', help='write which test notices which fault')
    args.add_argument('--serve', action='store_true', help=argparse.SUPPRESS)
    args = args.parse_args()
    known = {p.module:p for p in pages() if p.module}
    if args.serve: sys.exit(serve(lambda module: mutate(known[module])))
    modules = args.modules or sorted(p.stem for p in mutants.glob('*.toml'))
    problems = []
    spent = lambda: sum(resource.getrusage(who).ru_utime+resource.getrusage(who).ru_stime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    for module in modules:
        t,n = spent(),len(read_mutants(module))
        new = mutate(known[module], args.timeout, args.record) if module in known else [f'{module}: no page exports it']
        problems += new
        print(f'{module}: {n} faults, {len(new)} problems, {spent()-t:.1f} s of a processor')
    print('\n'.join(problems))
    sys.exit(bool(problems))
