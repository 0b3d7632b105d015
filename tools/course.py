"""Write what nbs/course.toml decides into the pages: each lesson's first line, its way on, the tables of chapters and of the reference

The table is the only place of the order. Five cells with fixed ids are made from it and from the pages themselves; `--check`
only says which pages are out of step."""
import argparse,json,math,re,sys,tomllib
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.pages import chapters,course,nbs,only_imports,pages,reference_groups,report,root,sync,tree_of

words_a_minute,lines_a_minute = 200,20
head,setup,way_on,table,contents = 'lesson-head','lesson-setup','lesson-next','course-table','reference-table'
made = {head, setup, way_on, table, contents}
proof_heading = re.compile(r'## Proof\b')
folded = re.compile(r'<details>.*?</details>', re.S)

def before_proof(page):
    "The cells of a page that stand in the reader's way: up to its proof, without those that are made here"
    cells = [c for c in page.nb.cells if c.id not in made]
    proof = next((i for i,c in enumerate(cells) if c.cell_type=='markdown' and proof_heading.match(c.source)), len(cells))
    return cells[:proof]

def word_count(page):
    "Words of its prose; what is folded is not counted"
    return sum(len(folded.sub('', c.source).split()) for c in before_proof(page) if c.cell_type=='markdown')

def line_count(page):
    "Lines of code that a reader sees, blank ones and the imports that the site folds apart"
    shown = [c for c in before_proof(page) if c.cell_type=='code' and not {'hide', 'echo', 'default_exp', 'code-fold'}&c.directives.keys()]
    return sum(bool(l.strip()) and not l.startswith('#|') for c in shown if not only_imports(tree_of(c)) for l in c.source.splitlines())

def words_of_outputs(page):
    """Words and numbers in what its cells print, pictures apart

    Of one cell no more than a minute's, as a long table is looked at; a lab or a card takes a minute."""
    def words(o):
        data = o.get('data', {})
        if 'text/html' in data: return words_a_minute
        said = o.get('text') or ('' if 'image/png' in data else data.get('text/markdown') or data.get('text/plain') or '')
        return len(re.findall(r'\w[^\s|]*', ''.join(said)))
    return sum(min(sum(map(words, c.outputs)), words_a_minute) for c in before_proof(page) if c.cell_type=='code')

def solutions(page):
    "The Python of its folded solutions, in their order"
    text = '\n'.join(c.source for c in page.nb.cells if c.cell_type=='markdown')
    found = re.findall(r'<summary>Solution</summary>(.*?)</details>', text, re.S)
    return [code for part in found for code in re.findall(r'```python\n(.*?)```', part, re.S)]

def minutes(page):
    words = word_count(page)+words_of_outputs(page)
    return max(1, math.ceil(words/words_a_minute+line_count(page)/lines_a_minute))

def title_and_promise(page):
    "From its first text cell"
    first = next(c.source for c in page.nb.cells if c.cell_type=='markdown')
    return re.match(r'# (.+)', first)[1], re.search(r'^> (.+)', first, re.M)[1]

def link_to(page, at):
    "A link from one page to another, as notebooks have them"
    folder,other = at.path.parent,page.path
    target = other.name if other.parent==folder else ('' if folder==nbs else '../')+other.relative_to(nbs).as_posix()
    return f'[{title_and_promise(page)[0]}]({target})'

@dataclass
class Lesson:
    "A page, and where the course has it"
    page:object
    chapter:dict # Its table
    number:int # Within the chapter
    of:int # Lessons of the chapter

def lessons():
    "Every lesson in the course's order"
    named = {p.name:p for p in pages()}
    for c in course():
        names = c.get('lessons', [])
        for i,name in enumerate(names, 1): yield Lesson(named[f'{c["folder"]}/{name}.ipynb'], c, i, len(names))

def needs_of(lesson):
    "What a chapter needs, a link if that is another chapter"
    needs = lesson.chapter['needs']
    first = next((l.page for l in lessons() if l.chapter['folder']==needs and l.number==1), None)
    return needs if first is None else f'[{chapters[needs].replace("The ", "the ")}]({link_to(first, lesson.page).rpartition("](")[2]}'

def head_of(lesson):
    "The line below a lesson's title"
    c,n = lesson.chapter,minutes(lesson.page)
    return f'*{c["title"]}, lesson {lesson.number} of {lesson.of} · about {n} minute{"s"*(n>1)} · needs {needs_of(lesson)}*'

def way_on_of(lesson, following):
    "Where a lesson leads: the next one, after the road and after a paper to every paper, and the last to the reference"
    if not following:
        n = reference_contents()
        return f'This was the last lesson. **Next: {link_to(n, lesson.page)}**. {title_and_promise(n)[1]}.'
    n = following.page
    line = f'**Next: {link_to(n, lesson.page)}, about {minutes(n)} minutes**. {title_and_promise(n)[1]}.'
    if following.chapter is lesson.chapter or not (lesson.chapter.get('paper') or following.chapter.get('paper')): return line
    own = lesson.chapter['folder']
    others = [l for l in lessons() if l.number==1 and l.chapter.get('paper') and l.chapter['folder'] not in (own, following.chapter['folder'])]
    also = ', '.join(f'{l.chapter["title"]} ({link_to(l.page, lesson.page)})' for l in others)
    return f'This chapter ends here. {line}'+(f' Or another paper first: {also}.' if also else '')

def table_of(at):
    "The chapters with their lessons, for the index"
    rows = ['| chapter | at its end you hold | lessons, with minutes |', '|---|---|---|']
    for c in course():
        own = [l.page for l in lessons() if l.chapter==c]
        if own: rows.append(f'| **{c["title"]}** | {c["promise"]} | {" · ".join(f"{link_to(p, at)} {minutes(p)}" for p in own)} |')
    return '\n'.join(rows)

def contents_of(at):
    "The reference, group by group, for its contents page"
    named,lines = {p.name:p for p in pages()},[]
    for title,c,stems in reference_groups():
        own = [named[f'{c["folder"]}/{s}.ipynb'] for s in stems]
        lines += [f'### {title}\n', '| page | what it is about |', '|---|---|']
        lines += [f'| {link_to(p, at)} | {title_and_promise(p)[1]} |' for p in own if p.name!=at.name]+['']
    return '\n'.join(lines[:-1])

def setup_of():
    "What a notebook runs where the package is not there, as on Colab; nobody else sees it"
    address = tomllib.loads((root/'pyproject.toml').read_text(encoding='utf-8'))['project']['urls']['Repository']
    return ("#| hide\n#| eval: false\nfrom importlib.util import find_spec\n"
        f"address = 'git+{address}'\nif not find_spec('itr_nb'):\n"
        "    get_ipython().run_line_magic('pip', f'install -q {address}')")

def put(cells, id, text, at, **kind):
    "The cells with one of ours among them, in the place where it stood, else at `at`"
    lines = text.splitlines(keepends=True)
    cell = dict(cell_type='markdown', id=id, metadata={}, source=lines)|kind
    found = next((i for i,c in enumerate(cells) if c['id']==id), None)
    if found is None: return cells[:at]+[cell]+cells[at:]
    return [*cells[:found], {**cells[found], 'source':lines}, *cells[found+1:]]

def first_text(cells): return next(i for i,c in enumerate(cells) if c['cell_type']=='markdown')

def split_at_exercises(cells):
    "The cells, the exercises beginning one of their own"
    for c in cells:
        before,heading,after = ''.join(c['source']).partition('\n## Exercises\n')
        if c['cell_type']!='markdown' or not heading: yield c
        else:
            yield c|dict(source=before.rstrip().splitlines(keepends=True))
            yield c|dict(id=f'{c["id"]}-exercises', source=(heading[1:]+after).splitlines(keepends=True))

def exercises(cells):
    "Where a lesson's way on stands: before its exercises, else at its end"
    start = lambda c: re.match(r'## (Exercises|References|Proof)\b', ''.join(c['source']))
    return next((i for i,c in enumerate(cells) if c['cell_type']=='markdown' and start(c)), len(cells))

def notebook(path): return json.loads(path.read_text(encoding='utf-8'))

def as_text(nb):
    "A notebook as nbdev writes it"
    return json.dumps(nb, sort_keys=True, indent=1, ensure_ascii=False)+'\n'

def reference_contents():
    "The first page of the reference"
    _,c,stems = reference_groups()[0]
    return next(p for p in pages() if p.name==f'{c["folder"]}/{stems[0]}.ipynb')

def made_pages():
    "Path → text of every notebook that the table decides something of"
    found,files = list(lessons()),{}
    for lesson,following in zip(found, [*found[1:], None]):
        nb = notebook(lesson.page.path)
        cells = [c for c in split_at_exercises(nb['cells']) if c['id']!=way_on]
        cells = put(cells, head, head_of(lesson), first_text(cells)+1)
        cells = put(cells, setup, setup_of(), first_text(cells)+2, cell_type='code', execution_count=None, outputs=[])
        nb['cells'] = put(cells, way_on, way_on_of(lesson, following), exercises(cells))
        for c in nb['cells']:
            if c['cell_type']=='markdown' and proof_heading.match(''.join(c['source'])): c['metadata'] = {'jp-MarkdownHeadingCollapsed':True}
        files[lesson.page.path] = as_text(nb)
    for id,page,text in ((table, next(p for p in pages() if not p.chapter), table_of), (contents, reference_contents(), contents_of)):
        nb = notebook(page.path)
        nb['cells'] = put(nb['cells'], id, text(page), len(nb['cells']))
        files[page.path] = as_text(nb)
    return files

def write_course(check=False):
    "Write the pages; the paths that differed"
    return sync(made_pages(), check)

if __name__=='__main__':
    args = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    args.add_argument('--check', action='store_true', help='write nothing, fail if a page is out of step')
    check = args.parse_args().check
    sys.exit(report(write_course(check), check, 'nbs/course.toml'))
