"From the notebooks, write everything that is made from them: the package, the exported tests, the sidebar, nbdev.yml and README.md"
import os,sys
from pathlib import Path

root = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(root))

from nbdev.clean import nbdev_clean
from nbdev.doclinks import nbdev_export
from nbdev.quarto import refresh_quarto_yml

from tools.export_tests import export_tests
from tools.pages import report
from tools.readme import write_readme
from tools.sidebar import write_sidebar

if __name__=='__main__':
    os.chdir(root)
    nbdev_clean.__wrapped__()
    nbdev_export.__wrapped__()
    refresh_quarto_yml()
    report(export_tests()+write_sidebar()+write_readme(), False, '')
