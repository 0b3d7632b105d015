"""Put one-line faults into a module and see that its page's tests notice; prints the faults that nobody noticed

The faults stand in tests/mutants/<module>.toml. Each runs in a fork of one warm process: the child makes the module from the
faulty source, puts it in place of the real one, loads the page's test file afresh and calls its test functions."""
import argparse,ast,contextlib,importlib,importlib.util,inspect,os,signal,sys,tempfile,time,tomllib,traceback,types
from dataclasses import dataclass
from pathlib import Path

root = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(root))

from tools.pages import pages

mutants = root/'tests'/'mutants'
noticed,unnoticed = 1,0 # exit codes of a child

@dataclass
class Mutant:
    old:str
    new:str
    why:str

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
    "Run `source` as the module `name`, in the place of the real one"
    package,_,leaf = name.rpartition('.')
    parent = importlib.import_module(package)
    module = types.ModuleType(name)
    module.__file__,module.__package__ = str(path),package
    sys.modules[name] = module
    exec(compile(source, str(path), 'exec'), module.__dict__)
    setattr(parent, leaf, module)

def run_tests(path):
    "Load a test file afresh and call its test functions"
    from _pytest.outcomes import Skipped
    spec = importlib.util.spec_from_file_location('mutated_tests', path)
    tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    found = [f for k,f in vars(tests).items() if k.startswith('test_') and inspect.isfunction(f) and f.__module__=='mutated_tests']
    for f in found:
        if any(m.name in ('slow','cuda','hub','skip') for m in getattr(f, 'pytestmark', ())): continue
        with contextlib.suppress(Skipped): f()

def child(name, source, path, tests, log):
    "In the fork: exit 0 if every test passes, 1 if one fails"
    os.dup2(log, 1); os.dup2(log, 2)
    try:
        install(name, source, path)
        run_tests(tests)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(noticed)
    os._exit(unnoticed)

def try_one(name, source, path, tests, timeout):
    "Exit code of the child (a child that runs out of time has noticed) and what it printed"
    sys.stdout.flush(); sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        pid = os.fork()
        if not pid: child(name, source, path, tests, log.fileno())
        end = time.monotonic()+timeout
        while (done:=os.waitpid(pid, os.WNOHANG))[0]==0:
            if time.monotonic()>end:
                os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
                return noticed,'out of time'
            time.sleep(.005)
        log.seek(0)
        return os.waitstatus_to_exitcode(done[1]),log.read().decode(errors='replace')

def warm(page):
    "Import once what the module and its tests import, apart from the module itself"
    for path in (page.source, page.tests):
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            if isinstance(node, ast.ImportFrom):
                names = [importlib.util.resolve_name('.'*node.level+(node.module or ''), f'itr_nb.{page.module}'.rpartition('.')[0])]
            elif isinstance(node, ast.Import): names = [a.name for a in node.names]
            else: continue
            for n in names:
                if n!=f'itr_nb.{page.module}': importlib.import_module(n)

def mutate(page, timeout=60):
    """Lines about every fault that goes unnoticed, and about a control that fails; empty when all is well

    A fault may hang its tests. It has ten times as long as the control took, at least `timeout`, so that a busy machine hides none."""
    source,listed,name = page.source.read_text(encoding='utf-8'),read_mutants(page.module),f'itr_nb.{page.module}'
    where = f'tests/mutants/{page.module}.toml'
    warm(page)
    began = time.monotonic()
    code,out = try_one(name, source, page.source, page.tests, 10*timeout)
    timeout = max(timeout, 10*(time.monotonic()-began))
    if code!=unnoticed: return [f'{page.module}: the unchanged module does not pass its own tests\n{out[-2000:]}']
    problems = []
    for m in listed:
        try: changed = apply(source, m, where)
        except (ValueError, SyntaxError) as e:
            problems.append(f'{where}: {e}')
            continue
        if try_one(name, changed, page.source, page.tests, timeout)[0]==unnoticed:
            problems.append(f'{page.module}: unnoticed: {m.old!r} → {m.new!r} ({m.why})')
    return problems

if __name__=='__main__':
    args = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    args.add_argument('modules', nargs='*', help='modules, all that have a list of faults if none is named')
    args.add_argument('--timeout', type=float, default=60, help='seconds for one fault, at least')
    args = args.parse_args()
    known = {p.module:p for p in pages() if p.module}
    modules = args.modules or sorted(p.stem for p in mutants.glob('*.toml'))
    problems = []
    for module in modules:
        t,n = time.monotonic(),len(read_mutants(module))
        new = mutate(known[module], args.timeout) if module in known else [f'{module}: no page exports it']
        problems += new
        print(f'{module}: {n} faults, {len(new)} problems, {time.monotonic()-t:.1f} s')
    print('\n'.join(problems))
    sys.exit(bool(problems))
