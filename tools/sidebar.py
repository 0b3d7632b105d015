"Write nbs/sidebar.yml: the pages of the site, a chapter for each layer; `--check` only says whether it is out of step"
import argparse,sys
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.pages import chapters,nbs,pages,report,sync

def sidebar():
    "The sidebar as Quarto and smalldocs read it"
    found = pages()
    lines = ['website:', '  sidebar:', '    contents:']
    lines += [f'      - {p.name}' for p in found if not p.chapter]
    for key,group in groupby((p for p in found if p.chapter), key=lambda p: p.chapter):
        lines += [f'      - section: {chapters[key]}', '        contents:', *(f'          - {p.name}' for p in group)]
    return '\n'.join(lines)+'\n'

def write_sidebar(check=False):
    "Write the sidebar; the path if it differed"
    return sync({nbs/'sidebar.yml': sidebar()}, check)

if __name__=='__main__':
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument('--check', action='store_true', help='write nothing, fail if it is out of step')
    check = args.parse_args().check
    sys.exit(report(write_sidebar(check), check, 'sidebar'))
