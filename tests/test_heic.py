"Pictures of phones through every door: a folder, the doctor, training, an index, an upload; deep ones, transparent ones, several in a file, damaged ones, and HEIC under another name"
import io,json,os,subprocess,sys

import numpy as np
import pytest
from common import root
from PIL import Image
from itr_nb.core import ArgumentError
from itr_nb.data.pairs import check_header,open_image

heif = pytest.importorskip('pillow_heif', reason="the extra: pip install 'itr_nb[heic]'")

def two_halves(left='red', right='blue', size=(64,48)):
    im = Image.new('RGB', size, left)
    im.paste(right, (size[0]//2, 0, *size))
    return im

def heic(picture, **kw):
    heif.from_pillow(picture).save(out := io.BytesIO(), quality=95, **kw)
    return out.getvalue()

def fresh(code, *args):
    "Some lines in a process that has not met HEIC yet"
    return subprocess.run([sys.executable, '-c', f'import sys\nfrom itr_nb.data.pairs import open_image\n{code}', *map(str, args)], capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH':str(root)}, timeout=120)

@pytest.mark.parametrize('name', ['a.heic', 'a.HEIC', 'a.hif', 'a.jpg', 'a'])
def test_under_any_name(name, tmp_path):
    (tmp_path/name).write_bytes(heic(two_halves()))
    said = fresh('im = open_image(sys.argv[1]); print(im.size, im.getpixel((5,5))[0]>240, im.getpixel((60,5))[2]>240)', tmp_path/name)
    assert said.stdout=='(64, 48) True True\n', said.stderr

@pytest.mark.parametrize('mode', ['I;16', 'RGB;16'])
def test_deep_ones_keep_their_tones(mode, tmp_path):
    ramp = np.linspace(0, 65535, 64*48).reshape(48, 64).astype(np.uint16)
    data = ramp if mode=='I;16' else np.stack([ramp]*3, -1)
    heif.from_bytes(mode=mode, size=(64,48), data=data.tobytes()).save(tmp_path/'deep.heic', quality=-1)
    got = np.asarray(open_image(tmp_path/'deep.heic')).astype(float)
    assert np.abs(got-ramp[...,None]/257).max()<3

def test_what_is_transparent_is_white(tmp_path):
    (tmp_path/'clear.heic').write_bytes(heic(Image.new('RGBA', (20,20), (255,0,0,0))))
    assert min(open_image(tmp_path/'clear.heic').getpixel((9,9)))>250

def test_the_first_of_several_is_the_one_that_a_viewer_shows(tmp_path):
    several = heif.from_pillow(two_halves())
    several.add_from_pillow(Image.new('RGB', (30,20), 'green'))
    several.save(tmp_path/'several.heic', primary_index=1)
    assert open_image(tmp_path/'several.heic').size==(30,20)

@pytest.mark.parametrize('ending', ['heic', 'avif'])
def test_a_picture_that_the_file_turns(ending, tmp_path):
    "By `irot` and `imir`, beside an EXIF tag that says the same and must not turn it again"
    four = np.zeros((64, 96, 3), np.uint8)
    four[:32,:48],four[32:,:48],four[:32,48:],four[32:,48:] = (250,20,20),(20,250,20),(20,20,250),(240,240,20)
    turned = {2:four[:,::-1], 3:four[::-1,::-1], 4:four[::-1], 5:four.transpose(1,0,2), 6:np.rot90(four, -1),
        7:four.transpose(1,0,2)[::-1,::-1], 8:np.rot90(four, 1)}
    heif.register_heif_opener()
    for tag,want in turned.items():
        exif = Image.Exif()
        exif[274] = tag
        Image.fromarray(four).save(tmp_path/f'{tag}.{ending}', exif=exif.tobytes(), quality=95)
        stored = (tmp_path/f'{tag}.{ending}').read_bytes()
        assert b'irot' in stored or b'imir' in stored
        got = np.asarray(open_image(tmp_path/f'{tag}.{ending}'))
        assert got.shape==want.shape, tag
        h,w = want.shape[:2]
        for y in (h//4, 3*h//4):
            for x in (w//4, 3*w//4): assert np.abs(got[y,x].astype(int)-want[y,x]).max()<30, tag

def test_damaged_ones(tmp_path):
    "Whatever is cut or changed, a picture comes or an error that names the file; never anything else"
    whole,rng,refused = heic(two_halves()),np.random.default_rng(0),0
    for k in range(60):
        bad = bytearray(whole[:int(rng.integers(len(whole)))] if k%2 else whole)
        for at in rng.integers(12, len(bad), 5) if len(bad)>12 and not k%2 else (): bad[at] = rng.integers(256)
        (tmp_path/'bad.heic').write_bytes(bad)
        for read in (check_header, open_image):
            try: read(tmp_path/'bad.heic')
            except ArgumentError as e:
                assert 'bad.heic' in str(e) and '0x' not in str(e)
                refused += 1
    assert refused>40

def photos(folder):
    colours = ['red', 'blue', 'green', 'yellow', 'black', 'white']
    pairs = [(a,b) for a in colours for b in colours if a!=b]
    folder.mkdir()
    for k,(a,b) in enumerate(pairs): (folder/f'{k}.heic').write_bytes(heic(two_halves(a, b)))
    rows = [dict(image=f'{k}.heic', caption=f'{a} beside {b}') for k,(a,b) in enumerate(pairs)]
    (folder/'captions.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    return folder

def test_from_the_folder_to_an_upload(tmp_path):
    "Trained, looked at, indexed; a picture that is sent finds itself"
    starlette = pytest.importorskip('starlette.testclient')
    from itr_nb.recipe import load_recipe
    from itr_nb.run import Index,train
    from itr_nb.run.doctor import check_data
    from itr_nb.run.serve import Limits,_app_of
    folder,home = photos(tmp_path/'photos'),tmp_path/'home'
    assert not [f for f in check_data(str(folder)).findings if f.kind in ('unreadable', 'sixteen')]
    small = {'image.size':32, 'text.encoder':'gru', 'text.min_count':1, 'model.dim':16, 'model.word_dim':8, 'train.epochs':1, 'train.batch_size':8}
    run = train(load_recipe('dual-photos', small), str(folder), tmp_path/'run', home=home, progress=False)
    index = Index.build(run, folder, tmp_path/'index', progress=False)
    asks = starlette.TestClient(_app_of(index), base_url='http://localhost')
    found = asks.post('/api/search?k=1', content=(folder/'3.heic').read_bytes())
    assert found.status_code==200 and '3.heic' in found.text, found.text
    assert asks.post('/api/search', content=(folder/'3.heic').read_bytes()[:-200]).status_code==400
