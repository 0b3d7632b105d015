"Run every benchmark of this folder, each in a process of its own; arguments are passed on"
import pkgutil,subprocess,sys

import benchmarks

failed = []
for m in pkgutil.iter_modules(benchmarks.__path__):
    if m.name.startswith('_'): continue
    if subprocess.run([sys.executable, '-m', f'benchmarks.{m.name}', *sys.argv[1:]]).returncode: failed.append(m.name)
sys.exit(f'failed: {", ".join(failed)}' if failed else 0)
