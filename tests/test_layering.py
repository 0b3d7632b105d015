"""The laws of the package's imports, read from its text, imports inside functions included

1. A wing (the folder of a paper) imports the road and never another wing, nor names one; the road imports no wing.
2. No import runs upward in `order`, and none in a circle, within a folder neither.
3. The road names no paper: not in its code, not in its scripts, and not in what every user reads. A docstring or a comment elsewhere
   may say from which equation something is."""
import ast,re
from collections import Counter
from functools import cache
from importlib.util import resolve_name

import pytest
from common import root
from tools.pages import chapters,nbs,pages

import itr_nb
from itr_nb.registry import LOSSES,MODELS,packages

package = root/'itr_nb'
found = pages()

# Low to high; a wing stands where 'wings' is. `workshop` makes data by means of encoders, so it stands above both. `show` stands
# below the wings: it draws what it is given and imports none, `sgraf.scene_lab` is made of its labs, and `run` hands it what a run
# has found
order = ('files defaults checks core registry arguments data encode workshop score losses train judge model linear show wings '
    'shelf claims recipe inputs build run course verbs cli __main__').split()

# Imports that break the first law, (who imports, what): why
exceptions:dict[tuple[str,str],str] = {}

def wings_in(package, pages):
    "Folders that hold a paper: they have recipes, or their chapter has a page `*_paper.ipynb`"
    told = {p.chapter for p in pages if p.path.stem.endswith('_paper')}
    return {p.name for p in package.iterdir() if p.is_dir() and (p.name in told or (p/'recipes').is_dir())}

def sources():
    "The text of every module by its name; 'losses.__init__' is the folder's own, and the package's, which imports when it is asked, is not read"
    paths = [p for p in sorted(package.rglob('*.py')) if p.name!='_modidx.py' and p!=package/'__init__.py']
    return {'.'.join(p.relative_to(package).with_suffix('').parts): p.read_text(encoding='utf-8') for p in paths}

def asked_for(node, folder):
    "What a call of `import_module` is asked for by literals, in absolute names"
    given = {k.arg:k.value for k in node.keywords}|dict(zip(('name', 'package'), node.args))
    name,beside = (given[k].value if isinstance(given.get(k), ast.Constant) else None for k in ('name', 'package'))
    if isinstance(name, str): yield resolve_name(name, beside or '.'.join(folder)),'*'

@cache
def statements(text, name):
    "What a module imports, each as (module, what of it) in absolute names, by statements, by `import_module` and by the package's own door"
    folder,tree = ['itr_nb', *name.split('.')[:-1]],ast.parse(text)
    asking = {a.asname for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names if a.name=='import_module' and a.asname}|{'import_module', '__import__'}
    res = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): res += [(a.name, '*') for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = folder[:len(folder)-node.level+1] if node.level else []
            base = '.'.join([*above, *([node.module] if node.module else [])])
            res += [(base, a.name) for a in node.names]
        elif isinstance(node, ast.Attribute) and getattr(node.value, 'id', '')=='itr_nb': res.append(('itr_nb', node.attr))
        elif isinstance(node, ast.Call) and getattr(node.func, 'attr', getattr(node.func, 'id', '')) in asking:
            res += asked_for(node, folder)
    return res

# What the package gives at its own door, and from which module
doors = itr_nb._module_of

def imports(texts, name):
    "Modules of the package that one of them imports; a folder is its `__init__`"
    res = set()
    for base,what in statements(texts[name], name):
        door = [f'itr_nb.{doors[what]}'] if base=='itr_nb' and what in doors else []
        for full in (*door, f'{base}.{what}', base):
            short = full.removeprefix('itr_nb.') if full.startswith('itr_nb.') else None
            at = next((k for k in (short, f'{short}.__init__') if k in texts), None)
            if at:
                res.add(at)
                break
    return res-{name}

def graph_of(texts): return {name:sorted(imports(texts, name)) for name in texts}
def unit(name): return name.split('.')[0]

def wing_breaches(texts, wings, allowed=()):
    "What breaks the first law"
    return [(a,b) for a,others in graph_of(texts).items() for b in others if unit(b) in wings and unit(a)!=unit(b) and (a,b) not in allowed]

def upward_breaches(texts, wings):
    "What breaks the order of the second law; KeyError for a module that has no place in it"
    rank = {n:i for i,n in enumerate(order)}
    place = lambda name: rank['wings' if unit(name) in wings else unit(name)]
    return [(a,b) for a,others in graph_of(texts).items() for b in others if unit(a)!=unit(b) and place(b)>place(a)]

def circles(texts):
    "Rounds of modules that import each other, as lists of their names"
    graph,done,res = graph_of(texts),set(),[]
    def visit(name, path):
        if name in path: res.append(path[path.index(name):])
        elif name not in done:
            for other in graph[name]: visit(other, [*path, name])
            done.add(name)
    for name in graph: visit(name, [])
    return res

texts,wings = sources(),wings_in(package, found)

# What every wing is known by besides its name: its models and losses, but for words that everybody needs, and modes of its models
packages()
kinds = {n:registry[n].__module__.split('.')[1] for registry in (MODELS,LOSSES) for n in registry}
kinds = {n:w for n,w in kinds.items() if w in wings and n not in ('clip', 'matching')}|dict(saf='sgraf', sgr='sgraf', xvlm='cusa')
# Whose every text reaches the user, whatever the model
heard = {'core', 'verbs', 'cli'}

def words_in(text): return {w.lower() for w in re.findall('[A-Z]+(?![a-z])|[A-Z]?[a-z]+', text)}

@cache
def said_by(text):
    "Names and strings of a module, without its docstrings"
    tree = ast.parse(text)
    scopes = [n for n in ast.walk(tree) if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docs = {id(n.body[0].value) for n in scopes if n.body and isinstance(n.body[0], ast.Expr)}
    res = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs: res.append(node.value)
        for field in ('id', 'attr', 'arg', 'name'):
            if isinstance(name := getattr(node, field, None), str): res.append(name)
    return res

def named_papers(texts, scripts, wings):
    "Where the road names a paper or what is its own, or a wing another wing, as (where, name)"
    wing_of = kinds|{w:w for w in wings}
    for module,text in texts.items():
        names = {n for n,w in wing_of.items() if w!=unit(module)}
        said = [text] if module in heard else said_by(text)
        yield from ((module, w) for w in sorted(names & set().union(*map(words_in, said))))
    for name,text in scripts.items():
        code = re.sub('//.*', '', text)
        yield from ((name, w) for w in sorted(set(wing_of) & words_in(code)))

def scripts():
    "Scripts of the road by their path"
    paths = [p for kind in ('js', 'css') for p in sorted(package.rglob(f'*.{kind}'))]
    paths = [p.relative_to(package) for p in paths]
    return {p.as_posix(): (package/p).read_text(encoding='utf-8') for p in paths if p.parts[0] not in wings}

def test_the_wings_are_found(): assert {'sgraf', 'imc', 'ckstn', 'cusa'}<=wings
def test_a_wing_stands_alone(): assert wing_breaches(texts, wings, exceptions)==[]
def test_no_import_runs_upward(): assert upward_breaches(texts, wings)==[]
def test_wings_draw_with_show(): assert any(unit(a) in wings and unit(b)=='show' for a,others in graph_of(texts).items() for b in others)
def test_no_import_runs_in_a_circle(): assert circles(texts)==[]

def test_every_module_has_its_place():
    assert {unit(name) for name in texts}-wings==set(order)-{'wings'}

def test_exceptions_are_needed_and_have_a_reason():
    assert set(exceptions)<=set(wing_breaches(texts, wings)) and all(exceptions.values())

@pytest.mark.parametrize('importer,line,breach', [
    ('imc.network', 'from ..sgraf import sgraf', ('imc.network', 'sgraf.__init__')),
    ('imc.network', 'from ..sgraf.scorer import SGRAFScorer', ('imc.network', 'sgraf.scorer')),
    ('imc.network', 'def f():\n    import itr_nb.cusa.clip', ('imc.network', 'cusa.clip')),
    ('train.learner', 'from ..ckstn import matching_loss', ('train.learner', 'ckstn.matching_loss')),
    ('recipe', 'class A:\n    def f(self):\n        from .imc.constraint import IMCLoss', ('recipe', 'imc.constraint')),
    ('cli', "importlib.import_module('itr_nb.sgraf')", ('cli', 'sgraf.__init__')),
    ('cli', "from importlib import import_module as get\nget('.sgraf', 'itr_nb')", ('cli', 'sgraf.__init__')),
    ('imc.network', "import_module('..sgraf', __package__)", ('imc.network', 'sgraf.__init__')),
    ('recipe', "import_module(package='itr_nb', name='.cusa.clip')", ('recipe', 'cusa.clip')),
    ('data.__init__', 'from ..imc import constraint', ('data.__init__', 'imc.constraint'))])
def test_a_planted_import_of_a_wing_is_noticed(importer, line, breach):
    planted = {**texts, importer: f'{texts[importer]}\n{line}\n'}
    assert set(wing_breaches(planted, wings))-set(wing_breaches(texts, wings))=={breach}

@pytest.mark.parametrize('importer,line,breach', [
    ('core', 'from .registry import loss', ('core', 'registry')),
    ('encode.words', 'def f(): from ..workshop import load', ('encode.words', 'workshop.__init__')),
    ('losses.triplet', 'from itr_nb.train.learner import Learner', ('losses.triplet', 'train.learner')),
    ('sgraf.model', 'from .. import recipe', ('sgraf.model', 'recipe')),
    ('show.sheet', 'from itr_nb.run import Run', ('show.sheet', 'run.__init__')),
    ('core', 'from itr_nb import dual', ('core', 'model')),
    ('train.learner', 'from .. import Run', ('train.learner', 'run.__init__')),
    ('train.state', 'import itr_nb\ndef f(): return itr_nb.Run', ('train.state', 'run.__init__')),
    ('judge.ranks', 'from ..model import RetrievalModel', ('judge.ranks', 'model'))])
def test_a_planted_import_upward_is_noticed(importer, line, breach):
    planted = {**texts, importer: f'{texts[importer]}\n{line}\n'}
    assert set(upward_breaches(planted, wings))-set(upward_breaches(texts, wings))=={breach}

def test_a_planted_circle_is_noticed():
    assert circles({'a.x':'from .y import f', 'a.y':'def g():\n    from .z import h', 'a.z':'from . import x'})==[['a.x', 'a.y', 'a.z']]
    assert circles({'a.__init__':'from .x import f', 'a.x':'from ..a import g'})==[['a.__init__', 'a.x']]
    assert circles({'a.x':'from .y import f\nfrom .z import g', 'a.y':'from .z import g', 'a.z':''})==[]

def test_the_road_names_no_paper():
    assert list(named_papers(texts, scripts(), wings))==[]

@pytest.mark.parametrize('where,line,name', [
    ('show.sheet', "_MODELS = 'saf','sgr'", 'saf'),
    ('show.sheet', "def f(packed): return packed.about['kind']=='SGR'", 'sgr'),
    ('build', "need = f'a model of {3} kinds, as IMC has'", 'imc'),
    ('train.learner', 'def f(ckstn=None): pass', 'ckstn'),
    ('judge.ranks', 'class CUSAReport: pass', 'cusa'),
    ('encode.words', 'def f(model): return model.imcnet', 'imcnet'),
    ('cli', 'def f():\n    "Shows hover cards, as of SGRAF"', 'sgraf'),
    ('core', '# Added as SGRAF does', 'sgraf'),
    ('imc.network', "MODELS['sgraf']", 'sgraf'),
    ('ckstn.model', "LOSSES['csa']", 'csa'),
    ('show/labs_js/core.js', 'const seen = {safScore: 1};', 'saf')])
def test_a_planted_name_of_a_paper_is_noticed(where, line, name):
    plant = lambda files: {k: f'{v}\n{line}\n' if k==where else v for k,v in files.items()}
    assert (where, name) in list(named_papers(plant(texts), plant(scripts()), wings))

def test_an_equation_may_be_cited():
    assert list(named_papers({'losses.triplet': 'def f():\n    "SGRAF Eq. (10)" # IMC Eq. (1)'}, {'a.js': '// SAF'}, wings))==[]

def asks_for_kinds(texts):
    "Modules other than `inputs` that ask what kind of input they have before them"
    return [m for m,text in texts.items() if m!='inputs' and re.search(r"\b(images|texts)\.kind\b|\.kinds\['(images|texts)'", text)]

def test_inputs_alone_know_their_kinds():
    assert asks_for_kinds(texts)==[]
    for line in ("if run.inputs.texts.kind=='vocab': pass", "x = images.kind!='features'", "x = inputs.kinds['images']"):
        assert asks_for_kinds({**texts, 'run.warm': f'{texts["run.warm"]}\n{line}\n'})==['run.warm']

def test_a_module_without_a_place_is_noticed():
    with pytest.raises(KeyError): upward_breaches({'attic':'from .core import Loss', 'core':''}, wings)

def test_every_module_has_its_page():
    "All but those that are written by hand and hold no logic: `__init__` and `__main__`"
    assert {m for m in texts if not m.split('.')[-1].startswith('_')}=={p.module for p in found if p.module}

def test_no_module_has_two_pages():
    assert not [m for m,n in Counter(p.module for p in found if p.module).items() if n>1]

def test_pages_are_numbered_within_their_chapter():
    assert [p.name for p in found if not p.chapter]==['index.ipynb']
    assert {p.name for p in nbs.iterdir() if p.is_dir() and p.name[0] not in '._'}==set(chapters)
    numbers = Counter((p.chapter, p.number) for p in found if p.chapter)
    assert not [k for k,n in numbers.items() if n>1 or k[1] is None]
