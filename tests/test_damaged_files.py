"Every file that a reader opens, damaged in a dozen forms: it is read right, or our error names it, and nothing else is raised"
import json

import numpy as np
import pytest
from PIL import Image

from itr_nb.core import ArgumentError,read_json
from itr_nb.data import Vocab,open_data,read_precomp
from itr_nb.data.pairs import FeatureRows
from itr_nb.encode.glove import word_vectors
from itr_nb.inputs import Inputs
from itr_nb.recipe import load_recipe
from itr_nb.run import Run
from itr_nb.run.folder import check_manifest,read_record

DEEP = '['*100_000

def whole_bytes(good:bytes)->dict[str,bytes]:
    "Damage that any file can take"
    return dict(
        empty=b'', blank=b' \n\n', truncated=good[:len(good)//2], cut=good[:-1], binary=bytes(range(256))*9,
        zeros=bytes(len(good)), bom=b'\xef\xbb\xbf'+good, utf16=good.decode('latin1').encode('utf-16'), doubled=good*2,
        latin=good+b'\xe9\xff', deep=DEEP.encode(), tail=good+b'\x00', crlf=good.replace(b'\n', b'\r\n'))

def roots(good)->dict[str,str]:
    "Another type at the root of a JSON"
    found = dict(number='1', text='"x"', true='true', null='null', list='[]', object='{}', nested='[[[]]]', nan='NaN', huge='1e999',
        long='9'*5000, half='{"\\ud800": "\\udfff"}', twice='{"a": 1, "a": 2}', lists='[1, "a", null]', objects='[{}, {"x": []}]')
    return {f'root {k}':v for k,v in found.items()}

ODD = None,True,-1,0,1e400,float('nan'),2**70,'','\ud800','a\x00b',[],{},[None],{'x':None},[[1]],'../../x','/dev/null'

def fields(good, path=()):
    "Every value of a JSON replaced by odd ones, and every key left out"
    items = good.items() if isinstance(good, dict) else enumerate(good) if isinstance(good, list) else ()
    for k,v in list(items)[:4]:
        for odd in ODD: yield f'{path+(k,)} {odd!r:.20}',with_value(good, k, odd)
        if isinstance(good, dict): yield f'no {path+(k,)}',{n:x for n,x in good.items() if n!=k}
        for name,inner in fields(v, path+(k,)): yield name,with_value(good, k, inner)

def with_value(x, k, v):
    if isinstance(x, dict): return {**x, k:v}
    return [v if n==k else y for n,y in enumerate(x)]

def tried(open_it, path, content:bytes, names=()):
    "Why a file is not handled well; None if it is read, or refused by an error of ours that names it"
    path.write_bytes(content)
    try: open_it()
    except (ArgumentError, FileNotFoundError) as e:
        said = str(e)
        if '\ud800' in said or '\x00' in said: return f'control signs: {said[:80]!r}'
        if not any(n in said for n in (path.name, *names)): return f'unnamed: {said[:200]!r}'
    except Exception as e: return f'{type(e).__name__}: {e}'[:200]

def assert_all(open_it, path, good:bytes, forms:dict[str,bytes], names=()):
    assert tried(open_it, path, good, names) is None
    open_it() # The good one is read, not refused
    wrong = {k:w for k,x in forms.items() if (w := tried(open_it, path, x, names))}
    assert not wrong, '\n'.join(f'{k}: {w}' for k,w in list(wrong.items())[:40])

def json_forms(good):
    said = json.dumps(good).encode()
    forms = whole_bytes(said)|{k:v.encode() for k,v in roots(good).items()}
    return said,forms|{k:json.dumps(x).encode() for k,x in fields(good)}

@pytest.fixture
def photos(tmp_path):
    d = tmp_path/'photos'
    d.mkdir()
    for k in range(6): Image.new('RGB', (40,40), (40*k, 0, 90)).save(d/f'{k}.png')
    return d

SPLIT = 'train','train','train','train','val','test'

def test_karpathy(photos):
    images = [dict(filename=f'{k}.png', imgid=k, split=SPLIT[k], sentids=[k], cocoid=k+5, filepath='',
        sentences=[dict(raw=f'number {k}', tokens=['number', str(k)], sentid=k, imgid=k)]) for k in range(6)]
    good,forms = json_forms(dict(images=images, dataset='toy'))
    path = photos/'dataset_toy.json'
    assert_all(lambda: open_data(path), path, good, forms, ('captions', 'image', str(photos)))

def test_json_tables(photos):
    rows = [dict(image=f'{k}.png', caption=f'number {k}', split=SPLIT[k]) for k in range(6)]
    good,forms = json_forms(rows)
    for name in ('captions.json', 'captions.jsonl'):
        path = photos/name
        text = good if name.endswith('n') else b'\n'.join(json.dumps(r).encode() for r in rows)
        assert_all(lambda: open_data(photos), path, text, forms|whole_bytes(text), ('captions', str(photos)))
        path.unlink()

def test_coco_captions(photos):
    d = dict(images=[dict(id=k, file_name=f'{k}.png') for k in range(6)],
        annotations=[dict(id=k, image_id=k, caption=f'number {k}') for k in range(6)])
    good,forms = json_forms(d)
    path = photos/'captions_train.json'
    assert_all(lambda: open_data(path), path, good, forms, ('captions', str(photos)))

@pytest.mark.parametrize('sep', [',', '\t', ';', '|'])
def test_tables(sep, photos):
    rows = [['image', 'caption', 'split'], *([f'{k}.png', f'number {k}', SPLIT[k]] for k in range(6))]
    good = '\n'.join(sep.join(r) for r in rows).encode()
    forms = whole_bytes(good)
    for i in range(3):
        for odd in ('', ' ', '"', '""', '\x00', '\x1b[2J', '{}', '[]', "['a', 'b']", '{"raw": 1}', 'NaN', 'x'*10**6, '[1,', '../x', sep, '\n'):
            changed = [list(r) for r in rows]
            changed[2][i] = odd
            forms[f'cell {i} {odd!r:.12}'] = '\n'.join(sep.join(r) for r in changed).encode()
            changed = [list(r) for r in rows]
            changed[0][i] = odd
            forms[f'head {i} {odd!r:.12}'] = '\n'.join(sep.join(r) for r in changed).encode()
    path = photos/'captions.csv'
    assert_all(lambda: open_data(photos), path, good, forms, ('captions', str(photos)))

def test_vocabulary(tmp_path):
    path = tmp_path/'vocab.json'
    Vocab.build(['a dog', 'a cat'], 1).save(path)
    good,forms = json_forms(json.loads(path.read_text()))
    assert_all(lambda: Vocab.load(path), path, good, forms)

RECIPE = '''about = "x"
data = "photos"
[image]
encoder = "efficientnet-lite0"
size = 32
[text]
encoder = "gru"
min_count = 1
[model]
kind = "dual"
dim = 16
[loss.triplet]
weight = 1.0
[train]
epochs = 2
batch_size = 16
lr = 1e-3
seed = 0
'''

def test_recipe(tmp_path):
    path,forms = tmp_path/'mine.toml',whole_bytes(RECIPE.encode())
    for line in RECIPE.splitlines():
        if ' = ' not in line: continue
        key = line.split(' = ')[0]
        for odd in ('nan', '-inf', '""', '[]', '{}', 'true', '-1', '0', '1.5', '"../x"', '[[1]]', '1979-05-27', '"\\u0000"', '9'*400, "'''x"):
            forms[f'{key} {odd:.9}'] = RECIPE.replace(line, f'{key} = {odd}').encode()
        forms[f'no {key}'] = RECIPE.replace(line, '').encode()
        forms[f'twice {key}'] = RECIPE.replace(line, f'{line}\n{line}').encode()
    for more in ('base = 1', 'base = "mine"', 'base = "/dev/null"', 'uses = "os"', 'uses = ["no_such_package"]', 'uses = [1]', 'strange = 1', 'name = 1'):
        forms[more] = f'{more}\n{RECIPE}'.encode()
    forms['deep'] = f'x = {DEEP}'.encode()
    assert_all(lambda: load_recipe(path), path, RECIPE.encode(), forms, ('mine', 'uses', 'no_such_package', '/dev/null', 'recipe 1'))

def test_run_files(tmp_path):
    file = tmp_path/'data.json'
    good,forms = json_forms(dict(data='emoji', images=None, how={}, splits={'train':dict(images=1, captions=2, fingerprint='x')}, lot=None))
    assert_all(lambda: read_record(tmp_path), file, good, forms)
    (tmp_path/'a.txt').write_text('a')
    good,forms = json_forms(dict(files={}))
    assert_all(lambda: check_manifest(tmp_path), tmp_path/'manifest.json', good, forms, ('a.txt',))
    recipe = load_recipe('dual-emoji')
    good,forms = json_forms(dict(images='frozen', texts='frozen'))
    assert_all(lambda: Inputs.load(tmp_path, recipe), tmp_path/'inputs.json', good, forms)
    with pytest.raises((ArgumentError, FileNotFoundError)): Run.load(tmp_path)

def npy(x, **kw):
    import io
    out = io.BytesIO()
    np.save(out, x, **kw)
    return out.getvalue()

def test_npy(tmp_path):
    good = npy(np.ones((4,3), dtype=np.float32))
    forms = whole_bytes(good)|dict(
        texts=npy(np.array(['a', 'b'])), objects=npy(np.array([1, None], dtype=object), allow_pickle=True), scalar=npy(np.float32(1)),
        bools=npy(np.ones((2,2), dtype=bool)), records=npy(np.zeros(3, dtype=[('a', 'i4')])), four=npy(np.ones((2,2,2,2))),
        complex=npy(np.ones((2,2), dtype=complex)), huge=good.replace(b'(4, 3)', b'(99999999, 3)'), minus=good.replace(b'(4, 3)', b'(-4, 3)'),
        header=good.replace(b"'descr'", b"'descx'"), magic=b'\x93NUMPX'+good[6:], version=good[:6]+b'\x09\x00'+good[8:], code=good.replace(b'(4, 3)', b'f(4,3)'))
    path = tmp_path/'train_ims.npy'
    assert_all(lambda: FeatureRows(path), path, good, forms)

def test_precomputed(tmp_path):
    np.save(tmp_path/'train_ims.npy', np.ones((4,2,3), dtype=np.float32)*np.arange(4)[:,None,None]+1)
    good = b'a\nb\nc\nd'
    assert_all(lambda: read_precomp(tmp_path), tmp_path/'train_caps.txt', good, whole_bytes(good), ('captions', 'train_caps'))
    (tmp_path/'train_caps.txt').write_bytes(good)
    for name,good in (('train_ids.txt', b'1\n2\n3\n4'), ('train_lengths.txt', b'1\n2\n2\n1')):
        forms = whole_bytes(good)|{str(k):x for k,x in enumerate((b'1\n2', b'x\n1\n1\n1', b'1.5\n1\n1\n1', b'99999999999999999999999\n1\n1\n1', b'-1\n1\n1\n1'))}
        assert_all(lambda: read_precomp(tmp_path), tmp_path/name, good, forms, ('captions', 'train_', 'image_id'))
        (tmp_path/name).unlink()
    for name,x in (('train_boxes.npy', np.ones((4,2,4))), ('train_img_sizes.npy', np.ones((4,2))), ('train_lengths.npy', np.ones(4, dtype=int))):
        good = npy(x)
        forms = whole_bytes(good)|dict(objects=npy(np.array([1, None], dtype=object), allow_pickle=True), scalar=npy(np.float32(1)),
            texts=npy(np.array(['a']*4)), short=npy(x[:3]), nan=npy(np.full(x.shape, np.nan)), thin=npy(np.ones((4,9))))
        assert_all(lambda: read_precomp(tmp_path), tmp_path/name, good, forms, ('train_', 'boxes'))
        (tmp_path/name).unlink()

def test_word_vectors(tmp_path):
    good = b'dog 1 2 3\ncat 3 4 5\n'
    forms = whole_bytes(good)|dict(words=b'dog one two three\n', short=b'dog 1 2\n', nan=b'dog nan 1 2\n', inf=b'dog inf 1 2\n', blanks=b'dog  1  2  3\n')
    path = tmp_path/'vectors.txt'
    assert_all(lambda: word_vectors(path, ['dog'], 3), path, good, forms)

def test_json_itself(tmp_path):
    path = tmp_path/'x.json'
    good,forms = json_forms({'a':[1, 'b']})
    assert_all(lambda: read_json(path, dict), path, good, forms)
