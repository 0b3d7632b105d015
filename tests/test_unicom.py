"Unicom's weights file by its path, wherever an image model is named: `itr encode --teacher`, a recipe's teacher, cached or in the step, and the student's own eyes"
import json

import pytest
import torch
from pages.test_cusa_unicom import drawn,save_half
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from itr_nb.workshop import load
from itr_nb.cli import app
from itr_nb.recipe import load_recipe
from itr_nb.run import Run,train
from itr_nb.cusa.unicom import load_unicom

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "Twenty-four emoji in a folder with their captions, and a small file of Unicom's layout, its weights drawn"
    d = tmp_path_factory.mktemp('unicom')
    pairs = load('emoji', 'train').subset(range(24))
    (d/'emoji').mkdir()
    lines = ['image,caption,split']
    for i,image in enumerate(pairs.images):
        image.save(d/'emoji'/f'{i:02}.png')
        own = [pairs.captions[j] for j in (pairs.image_of==pairs.image_id[i]).nonzero()[0][:2]]
        lines += [f'{i:02}.png,"{c}",{("train","train","val","test")[i%4]}' for c in own]
    (d/'emoji'/'captions.csv').write_text('\n'.join(lines))
    save_half(drawn(), d/'FP16-ViT-small.pt')
    return d

def itr(place, *args, cache='cache'):
    said = CliRunner().invoke(app, [str(a) for a in args], env={'ITR_NB_HOME':str(place/cache)}, catch_exceptions=False)
    assert said.exit_code==0, said.output
    return said.output

def encode(place, out, **kw): return itr(place, 'encode', '--teacher', f"image={place/'FP16-ViT-small.pt'}", '--teacher', 'centre=none', '--data', place/'emoji', '--out', out, **kw)

def test_vectors_from_the_shell_are_those_of_the_network(place, tmp_path):
    assert 'teacher_image: 12 rows of width 12' in encode(place, tmp_path/'a.safetensors')
    model,names = load_unicom(place/'FP16-ViT-small.pt'),[f'{i:02}.png' for i in range(24) if i%4<2]
    want = model(model.preprocess([Image.open(place/'emoji'/n) for n in names]))[:,0]
    got = load_file(tmp_path/'a.safetensors')['teacher_image']
    assert got.shape==(12,12) and torch.allclose(got, want, atol=1e-4) and got.std()>.1
    cosines = torch.nn.functional.normalize(got)@torch.nn.functional.normalize(got).T
    assert cosines.fill_diagonal_(0).max()<1-1e-4, 'no two emoji have one vector'

def test_a_second_call_reads_what_is_there(place, tmp_path):
    encode(place, tmp_path/'a.safetensors', cache='again')
    kept = {f:f.stat().st_mtime_ns for f in (place/'again').rglob('0*.safetensors')}
    encode(place, tmp_path/'b.safetensors', cache='again')
    assert kept and kept=={f:f.stat().st_mtime_ns for f in (place/'again').rglob('0*.safetensors')}
    a,b = (load_file(tmp_path/f'{k}.safetensors')['teacher_image'] for k in 'ab')
    assert torch.equal(a, b)

SMALL = {'image.size':32, 'text.encoder':'gru', 'text.min_count':1, 'model.dim':16, 'train.epochs':1, 'train.batch_size':6}

def test_a_recipe_learns_from_it_cached_or_in_the_step(place, tmp_path):
    soft = SMALL|{'image.regions':False, 'teacher.image':str(place/'FP16-ViT-small.pt'), 'teacher.centre':'none'}
    runs = [train(load_recipe('cusa-dual-scenes', soft|how), str(place/'emoji'), tmp_path/name, home=place/'cache', progress=False) for name,how in (('cached',{}), ('online',{'teacher.online':True}))]
    first = [json.loads((r.folder/'metrics.jsonl').read_text().splitlines()[0]) for r in runs]
    assert first[0]['csa']>0 and first[0]['usa']>0
    for k in ('loss','csa','usa'): assert abs(first[0][k]-first[1][k])<1e-4

def test_a_student_sees_through_it(place, tmp_path):
    for grid in (False,True):
        eyes = {'image.encoder':str(place/'FP16-ViT-small.pt'), 'image.grid':grid}
        run = train(load_recipe('dual-photos', SMALL|eyes), str(place/'emoji'), tmp_path/f'run{grid}', home=place/'cache', progress=False)
        again = Run.load(run.folder, place/'cache')
        assert again.data.splits['test'].images[0].shape==((16,128) if grid else (1,12))
        assert again.evaluate().metrics==run.evaluate().metrics
        assert len(again.search(place/'emoji'/'00.png', k=3))==3
