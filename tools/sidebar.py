"Write nbs/sidebar.yml: the pages of the site, chapter by chapter; `--check` only says whether it is out of step"
import argparse,sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.pages import course,nbs,reference_groups,report,sync

def section(title, names, depth=2):
    "A section as lines of YAML"
    pad = '  '*depth
    return [f'{pad}  - section: {title}', f'{pad}    contents:', *(f'{pad}      - {name}' for name in names)]

def sidebar():
    "The sidebar as Quarto and smalldocs read it: the chapters' lessons, then the reference in its groups, the first of them open"
    name = lambda c,stem: f'{c["folder"]}/{stem}.ipynb'
    lines = ['website:', '  sidebar:', '    contents:', '      - index.ipynb']
    for c in course():
        if c.get('lessons'): lines += section(c['title'], [name(c, s) for s in c['lessons']])
    for i,(title,c,stems) in enumerate(reference_groups()): lines += section(title, [name(c, s) for s in stems], depth=4 if i else 2)
    return '\n'.join(lines)+'\n'

def write_sidebar(check=False):
    "Write the sidebar; the path if it differed"
    return sync({nbs/'sidebar.yml': sidebar()}, check)

if __name__=='__main__':
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument('--check', action='store_true', help='write nothing, fail if it is out of step')
    check = args.parse_args().check
    sys.exit(report(write_sidebar(check), check, 'sidebar'))
