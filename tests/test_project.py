"A fact that has to stand in two files is the same in both"
import configparser,re,subprocess,sys,tomllib

import pytest
import yaml
from common import root
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import itr_nb

project = tomllib.loads((root/'pyproject.toml').read_text(encoding='utf-8'))
pinned = {canonicalize_name(n):v for n,v in re.findall(r'^([\w.-]+)==(\S+)$', (root/'requirements-dev.txt').read_text(), re.M)}

def settings():
    parser = configparser.ConfigParser()
    parser.read(root/'settings.ini', encoding='utf-8')
    return dict(parser['DEFAULT'])

def test_settings_agree_with_pyproject():
    p,nbdev,urls = project['project'],project['tool']['nbdev'],project['project']['urls']
    host,base = re.fullmatch(r'(https://[^/]+)(/.*)/', urls['Documentation']).groups()
    repository = urls['Repository'].split('/')
    scripts = ' '.join(f'{k}={v}' for k,v in p['scripts'].items())
    assert settings()==dict(repo=repository[-1], user=repository[-2], lib_name=p['name'], lib_path=nbdev['lib_path'],
        nbs_path=nbdev['nbs_path'], doc_path=nbdev['doc_path'], recursive=str(nbdev['recursive']), tst_flags=nbdev['tst_flags'],
        custom_sidebar=str(nbdev['custom_sidebar']), title=nbdev['title'], author=p['authors'][0]['name'], description=p['description'],
        keywords=' '.join(k.replace(' ', '-') for k in p['keywords']), license=p['license'], version=itr_nb.__version__,
        min_python=p['requires-python'].removeprefix('>='), branch=nbdev.get('branch', 'main'), git_url=urls['Repository'],
        doc_host=host, doc_baseurl=base, console_scripts=scripts)

def test_setup_py_says_nothing():
    assert 'setup()' in (root/'setup.py').read_text()

def test_citation_and_changelog():
    cff,p = yaml.safe_load((root/'CITATION.cff').read_text(encoding='utf-8')),project['project']
    assert cff['title']==p['name'] and cff['version']==itr_nb.__version__ and cff['license']==p['license']
    assert cff['abstract']==p['description'] and cff['keywords']==p['keywords'] and cff['authors']==p['authors']
    assert cff['repository-code']==p['urls']['Repository'] and cff['url']==p['urls']['Documentation']
    latest = re.search(r'^## (\S+)', (root/'CHANGELOG.md').read_text(encoding='utf-8'), re.M)[1]
    assert latest==itr_nb.__version__

def test_licence():
    text = (root/'LICENSE').read_text(encoding='utf-8')
    assert project['project']['license']=='Apache-2.0' and 'Apache License' in text and 'Version 2.0, January 2004' in text

def test_pins_satisfy_requirements():
    for text in project['project']['dependencies']+project['project']['optional-dependencies']['dev']:
        need = Requirement(text)
        have = pinned.get(canonicalize_name(need.name))
        assert have, f'{need.name} of pyproject.toml has no pin in requirements-dev.txt'
        assert have in need.specifier, f'requirements-dev.txt pins {need.name} {have}, pyproject.toml wants {need.specifier}'

def test_dev_tools_are_pinned_exactly():
    for text in project['project']['optional-dependencies']['dev']: assert [s.operator for s in Requirement(text).specifier]==['=='], text

def test_package_takes_lower_bounds_only():
    for text in project['project']['dependencies']: assert [s.operator for s in Requirement(text).specifier]==['>='], text

def test_build_backend_is_pinned():
    for text in project['build-system']['requires']:
        need = Requirement(text)
        assert pinned[canonicalize_name(need.name)] in need.specifier

def test_quarto_settings():
    quarto = yaml.safe_load((root/'_quarto.yml').read_text(encoding='utf-8'))
    link = root/'nbs'/'_quarto.yml'
    assert link.is_symlink() and link.resolve()==root/'_quarto.yml'
    hrefs = [item['href'] for side in ('left', 'right') for item in quarto['website']['navbar'][side]]
    assert project['project']['urls']['Repository'] in hrefs
    for href in hrefs: assert href.startswith('https:') or (root/'nbs'/href).exists(), f'_quarto.yml links to {href}, which is missing'

def test_nbdev_yml_is_what_nbdev_writes(tmp_path, monkeypatch):
    import shutil
    from nbdev.quarto import refresh_quarto_yml
    shutil.copy(root/'pyproject.toml', tmp_path)
    (tmp_path/'nbs').mkdir()
    shutil.copytree(root/'itr_nb', tmp_path/'itr_nb', ignore=shutil.ignore_patterns('__pycache__'))
    monkeypatch.chdir(tmp_path)
    refresh_quarto_yml()
    assert (tmp_path/'nbs'/'nbdev.yml').read_text()==(root/'nbs'/'nbdev.yml').read_text(), 'run `make export`'

def test_katex_is_the_one_smalldocs_expects():
    from smalldocs import layout
    from tools import katex
    assert f'katex@{katex.package.version}/' in layout.KATEX

def test_workflows_use_pinned_versions():
    for path in (root/'.github'/'workflows').glob('*.yml'):
        text = path.read_text(encoding='utf-8')
        for used in re.findall(r'uses: (\S+)', text): assert re.fullmatch(r'[\w/-]+@[0-9a-f]{40}', used), f'{path.name}: {used}'
        assert f'"{project["project"]["requires-python"].removeprefix(">=")}"' in text

def test_ci_runs_the_readmes_test_command():
    assert 'make test' in (root/'.ci'/'run').read_text() and 'make test' in (root/'README.md').read_text(encoding='utf-8')

@pytest.mark.skipif(sys.platform=='win32', reason='make')
def test_help_lists_every_verb():
    makefile = (root/'Makefile').read_text()
    verbs = re.search(r'^\.PHONY: (.*)$', makefile, re.M)[1].split()
    said = subprocess.run(['make', '-s', '-C', root, 'help'], capture_output=True, text=True, check=True).stdout
    assert re.findall(r'^make (\w+) ', said, re.M)==verbs
    for verb in verbs: assert f'make {verb}' in (root/'CONTRIBUTING.md').read_text(encoding='utf-8'), f'CONTRIBUTING.md does not name make {verb}'
