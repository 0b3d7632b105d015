"KaTeX from its npm package, put beside the site, so that equations need no network"
import tarfile,tempfile
from pathlib import Path
from shutil import copy,copytree

from itr_nb.core import cache_home
from itr_nb.workshop.npm import fetch,Source

package = Source('katex', '0.16.11', 'script', 'MIT', 'Khan Academy and contributors',
    'sha512-RQrI8rlHY92OLf3rho/Ts8i/XvjgguEjOkO1BEXcU3N8BqPpSzBNwV/G0Ukr+P/l3ivvJUE/Fa/CwbS6HesGNQ==')

def unpack(
    folder, # Where it goes
):
    "Fetch KaTeX, once a machine, and unpack what a page needs of it"
    with tempfile.TemporaryDirectory() as tmp, tarfile.open(fetch(package, cache_home()/'katex')) as tar:
        tar.extractall(tmp, filter='data')
        dist = Path(tmp)/'package'/'dist'
        for f in ('katex.min.js', 'katex.min.css', 'contrib/auto-render.min.js'):
            (folder/f).parent.mkdir(parents=True, exist_ok=True)
            copy(dist/f, folder/f)
        copytree(dist/'fonts', folder/'fonts')
