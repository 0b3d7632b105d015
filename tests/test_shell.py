"The command line as a shell runs it: exit codes, one-line errors, a run that is killed and resumed"
import json,os,signal,subprocess,sys,time
from pathlib import Path

import pytest
from common import root
from PIL import Image

CHANGES = ['image.size=32', 'text.encoder=gru', 'text.min_count=1', 'model.dim=16', 'model.word_dim=8', 'train.batch_size=4', 'train.epochs=60']
itr = Path(sys.executable).with_name('itr')

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "A folder of twenty shades with a caption each, and an environment whose cache is new"
    d = tmp_path_factory.mktemp('shell')
    (d/'photos').mkdir()
    lines = ['image,caption,split']
    for k in range(20):
        Image.new('RGB', (40,40), (12*k, 255-12*k, 90)).save(d/'photos'/f'{k}.png')
        lines.append(f"{k}.png,shade number {k},{'train' if k<12 else 'val' if k<16 else 'test'}")
    (d/'photos'/'captions.csv').write_text('\n'.join(lines))
    return d

def command(place, *args): return dict(args=[str(itr), *map(str, args)], cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    env={**os.environ, 'ITR_NB_HOME':str(place/'cache'), 'OMP_NUM_THREADS':'1', 'PYTHONPATH':str(root)})

def shell(place, *args): return subprocess.run(**command(place, *args), timeout=300)

def training(out, *more): return ['train', 'dual-photos', '--data', 'photos', '--out', out, *(x for c in CHANGES for x in ('--set', c)), *more]

@pytest.fixture(scope='module')
def whole(place):
    r = shell(place, *training('whole'))
    assert r.returncode==0, r.stderr
    assert 'RSUM' in r.stdout and 'chance' in r.stdout and 'untrained' in r.stdout
    return place/'whole'

def test_the_run_folder_is_complete(whole):
    files = {str(p.relative_to(whole)) for p in whole.rglob('*') if p.is_file()}
    assert {'recipe.toml', 'data.json', 'environment.json', 'metrics.jsonl', 'report.json', 'sheet.png', 'vocab.json', 'model/config.json', 'model/model.safetensors'}<=files
    assert any(f.startswith('tensorboard/events') for f in files)
    assert Image.open(whole/'sheet.png').width>1000
    assert json.loads((whole/'environment.json').read_text())['torch'].startswith('2')

def test_json_is_one_object_and_nothing_else(place, whole):
    r = shell(place, 'eval', 'whole', '--json')
    assert r.returncode==0, r.stderr
    got = json.loads(r.stdout)
    assert got==json.loads((whole/'report.json').read_text())['rows']['dual-photos']
    assert {'i2t_r1', 'i2t_r5', 'i2t_r10', 'i2t_medr', 'i2t_meanr', 't2i_r1', 't2i_r5', 't2i_r10', 't2i_medr', 't2i_meanr', 'rsum'}==set(got)

def test_search_both_ways(place, whole):
    r = shell(place, 'search', 'whole', 'shade number 3', '-k', '2')
    assert r.returncode==0 and len(r.stdout.splitlines())==2 and all('.png' in l for l in r.stdout.splitlines())
    r = shell(place, 'search', 'whole', '--image', 'photos/3.png', '--json')
    assert r.returncode==0 and len(json.loads(r.stdout))==5

@pytest.mark.parametrize('args,code,says', [(['eval', 'nowhere'], 1, 'nowhere'), (['train', 'no-recipe'], 1, 'no-recipe'),
    (['train', 'dual-photos', '--data', 'nowhere'], 1, 'nowhere'), (['search', 'whole'], 2, 'words'), (['fly'], 2, 'fly')])
def test_errors_are_short(args, code, says, place, whole):
    r = shell(place, *args)
    assert r.returncode==code and says in r.stderr and 'Traceback' not in r.stderr

def test_killed_and_resumed(place, whole):
    p = subprocess.Popen(**command(place, *training('cut')))
    log = place/'cut'/'metrics.jsonl'
    end = time.monotonic()+200
    while time.monotonic()<end and not (log.exists() and log.read_text().count('"valid"')>=3): time.sleep(.01)
    p.send_signal(signal.SIGKILL)
    p.wait()
    assert p.returncode==-9 and not (place/'cut'/'report.json').exists()
    r = shell(place, *training('cut', '--resume'))
    assert r.returncode==0, r.stderr
    for f in ('report.json', 'metrics.jsonl'): assert (place/'cut'/f).read_text()==(whole/f).read_text()
    assert (place/'cut'/'model'/'model.safetensors').read_bytes()==(whole/'model'/'model.safetensors').read_bytes()

def test_a_damaged_image_is_named(place):
    d = place/'damaged'
    d.mkdir()
    (d/'captions.csv').write_text('image,caption\n'+'\n'.join(f'{k}.png,shade {k}' for k in range(10)))
    for k in range(10): (d/f'{k}.png').write_bytes((place/'photos'/f'{k}.png').read_bytes()[:None if k else 40])
    r = shell(place, 'train', 'dual-photos', '--data', d, '--out', 'never', '--set', 'image.size=32', '--set', 'text.encoder=gru')
    assert r.returncode==1 and '0.png' in r.stderr and 'Traceback' not in r.stderr
    assert not (place/'never').exists()
