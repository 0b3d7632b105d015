"From the notebooks, write everything that is made from them: the package, the exported tests, what the course decides, the sidebar, nbdev.yml and README.md"
import contextlib,os,sys
from pathlib import Path

root = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(root))

from nbdev.clean import nbdev_clean
from nbdev.doclinks import nbdev_export
from nbdev.quarto import refresh_quarto_yml

from tools.course import write_course
from tools.export_tests import export_tests
from tools.pages import report
from tools.readme import write_readme
from tools.sidebar import write_sidebar

@contextlib.contextmanager
def same_time(path):
    "nbdev writes its settings anew at every export: where the text stays, so does the time, and make does not set the environment up again"
    text,before = path.read_bytes(),path.stat()
    yield
    if path.read_bytes()==text: os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

if __name__=='__main__':
    os.chdir(root)
    nbdev_clean.__wrapped__()
    moved = write_course()
    with same_time(root/'pyproject.toml'): nbdev_export.__wrapped__()
    refresh_quarto_yml()
    report(moved+export_tests()+write_sidebar()+write_readme(), False, '')
