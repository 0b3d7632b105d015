"`itr train RECIPE --dry-run` of every recipe that the package ships, with every variant that fits it, on a few pairs of the kind that it reads"
import numpy as np
import pytest
from typer.testing import CliRunner
from PIL import Image
from pages.test_cusa_clip import tiny_clip
from pages.test_cusa_fusion import tiny_blip
from test_bert_recipe import save_bert
from itr_nb.build import check_recipe,plan
from itr_nb.cli import app
from itr_nb.core import ArgumentError
from itr_nb.data.pairs import CaptionPairs
from itr_nb.recipe import load_recipe
from itr_nb.shelf import book,variants
from itr_nb.workshop.shapes import write_shapes

CAPTIONS = ['a red dog', 'the green cat', 'a red ball', 'the green ball']

@pytest.fixture(scope='module')
def place(tmp_path_factory):
    from transformers import BlipProcessor,CLIPProcessor,ResNetConfig,ResNetForImageClassification,ConvNextImageProcessor
    d = tmp_path_factory.mktemp('dry')
    save_bert(d/'bert'); tiny_clip(d/'clip'); tiny_blip(d/'blip')
    ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8,8], depths=[1,1], num_labels=2)).save_pretrained(d/'resnet')
    ConvNextImageProcessor(size=dict(shortest_edge=32)).save_pretrained(d/'resnet')
    for name in ('teacher_image', 'teacher_text'): np.save(d/f'{name}.npy', np.zeros((4,3), np.float32))
    (d/'words.txt').write_text('dog '+' '.join(['0.5']*300)+'\n')
    return d

def splits(kind):
    "Four pairs, two of them twins: pictures, or three regions each with their boxes"
    if kind=='pictures': images,boxes = [Image.new('RGB', (40,30), c) for c in ('red','green','blue','white')],None
    else:
        images = list(np.random.default_rng(0).normal(size=(4,3,8)).astype(np.float32))
        boxes = [np.array([[0,0,.5,.5]]*3, np.float32)]*4
    pairs = CaptionPairs(images, CAPTIONS, np.arange(4), np.arange(4), list('abcd'), boxes=boxes, extra=dict(caption_twins=np.array([0,0,-1,-1])))
    return dict(train=pairs)

def small(name, place):
    "A recipe whose pretrained parts and files are tiny ones"
    r = load_recipe(name, {'model.dim':32} if 'dim' in load_recipe(name).model else {})
    if r.image.encoder=='own': r.model['name_or_folder'] = str(place/r.model['kind'])
    if r.text.encoder=='bert': r.text.name = str(place/'bert')
    if r.image.augment: r.image.encoder = str(place/'resnet')
    if r.text.vectors: r.text.vectors = str(place/'words.txt')
    for t in r.more.values():
        for key in ('image', 'text'):
            if (value := getattr(t, key, None)) and value.endswith('.npy'): setattr(t, key, str(place/f'teacher_{key}.npy'))
    return r

def kind_of(recipe): return 'pictures' if recipe.image.encoder=='own' or recipe.image.augment else 'regions'

def like(recipe): return recipe.model['kind'],recipe.text.encoder,kind_of(recipe),recipe.train.epochs>0

def check_plan(recipe, name):
    "Four pairs in one step, and a width for each modality that the data decide"
    p = plan(check_recipe(recipe), splits(kind_of(recipe)))
    assert (p.steps, p.epochs, p.data)==(1, recipe.train.epochs, dict(train=dict(images=4, captions=4))), name
    assert p.trained<=p.parameters and p.memory>=4*p.parameters, name

@pytest.mark.parametrize('name', book())
def test_every_recipe(name, place): check_plan(small(name, place), name)

FIRST = {like(load_recipe(n)):n for n in reversed(book())}

@pytest.mark.parametrize('name', FIRST.values())
def test_every_variant(name, place):
    "Of one recipe for each model, text encoder and kind of data; a variant that does not fit is refused by name"
    for v in variants():
        try: recipe = small(f'{name}+{v}', place)
        except ArgumentError as e: assert 'variant of' in str(e), e
        else: check_plan(recipe, f'{name}+{v}')

def test_built_in_twins():
    "From the command line, on data of which one picture alone has no twin"
    said = CliRunner().invoke(app, ['train', 'sgraf-saf-twins', '--dry-run'])
    assert said.exit_code==0 and 'an epoch' in said.output, said.output

def test_refuses_what_a_training_refuses(place):
    "Pictures without regions, for a recipe that reads them"
    write_shapes(place/'shapes')
    said = CliRunner().invoke(app, ['train', 'sgraf-saf-scenes', '--dry-run', '--data', str(place/'shapes')])
    assert said.exit_code and 'boxes of regions' in f'{said.output} {said.exception}', said
