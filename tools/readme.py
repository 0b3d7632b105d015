"""Write README.md (and the pictures it shows, in index_files) from nbs/index.ipynb; `--check` only says what is out of step

The README is read in a clone as well as on GitHub, so links to notebooks stay links to files of the project."""
import argparse,base64,re,sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from fastcore.nbio import read_nb

from tools.pages import nbs,report,root,sync

pictures = 'index_files'
link = re.compile(r'(\]\(|(?:src|href)=")(?![a-z]+:|#|/)([^)\s"#]+)')

def text_of(x): return ''.join(x) if isinstance(x, list) else x

def from_root(text):
    "Links of a notebook in nbs, as seen from the project's root"
    return link.sub(lambda m: m[1]+(m[2][3:] if m[2].startswith('../') else f'nbs/{m[2]}'), text)

def fenced(text, language=''):
    "A block of code"
    fence = '```' if '```' not in text else '````'
    return f'{fence}{language}\n{text.rstrip()}\n{fence}'

def output(o, files, alt=''):
    "One output as Markdown; a picture becomes a file in `files`"
    if o['output_type']=='stream': return fenced(text_of(o['text']))
    data = o.get('data', {})
    if 'image/png' in data:
        name = f'{pictures}/figure-{len(files)+1}.png'
        files[root/name] = base64.b64decode(text_of(data['image/png']))
        return f'![{alt}]({name})'
    if 'text/markdown' in data: return from_root(text_of(data['text/markdown']))
    if 'text/html' in data: return text_of(data['text/html'])
    return fenced(text_of(data['text/plain'])) if 'text/plain' in data else ''

def readme(path=nbs/'index.ipynb'):
    "The text of the README, and its pictures as path → bytes"
    parts,files = [],{}
    for cell in read_nb(path).cells:
        d = cell.directives
        if cell.cell_type=='raw' or 'hide' in d or d.get('include')=='false': continue
        if cell.cell_type=='markdown': parts.append(from_root(cell.source))
        else:
            code = re.sub(r'^#\|.*\n?', '', cell.source, flags=re.M).strip()
            if code and d.get('echo')!='false': parts.append(fenced(code, 'python'))
            if d.get('output')!='false': parts += [t for o in cell.outputs if (t:=output(o, files, d.get('fig-alt', '')))]
    head = '<!-- Made from nbs/index.ipynb by `make export`: edit that. -->'
    return '\n\n'.join([head, *parts])+'\n',files

def write_readme(check=False):
    "Write the README and its pictures, without those of the last one; the paths that differed"
    if not (nbs/'index.ipynb').exists(): return []
    text,files = readme()
    stale = set((root/pictures).glob('*'))-set(files)
    differ = [p for p,b in files.items() if not p.exists() or p.read_bytes()!=b]
    if not check:
        (root/pictures).mkdir(exist_ok=True)
        for p in differ: p.write_bytes(files[p])
        if not files and not any((root/pictures).iterdir()): (root/pictures).rmdir()
    return differ+sync({root/'README.md': text}, check, stale)

if __name__=='__main__':
    args = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    args.add_argument('--check', action='store_true', help='write nothing, fail if it is out of step')
    check = args.parse_args().check
    sys.exit(report(write_readme(check), check, 'README.md'))
