"What the pages show is what their code gives"
import pytest
from itr_nb.workshop.emoji import build_emoji
from tools.check_outputs import compare_cells,without_calls
from tools.pages import pages,root
from tools.warm import Warm

@pytest.fixture(scope='module')
def checker():
    "A warm process that checks notebooks; the built-in drawings are there, so that no page says that it renders them"
    build_emoji(progress=False)
    checker = Warm(root/'tools'/'check_outputs.py')
    yield checker
    checker.close()

@pytest.mark.parametrize('page', pages(), ids=lambda p: p.name)
def test_outputs(page, checker):
    said = checker(page.path)
    assert not said, said

def stream(text): return [dict(output_type='stream', name='stdout', text=text)]

@pytest.mark.parametrize('old,new,same', [
    ('loss 0.693 of 3', 'loss 0.694 of 3', True),
    ('loss 0.693 of 3', 'loss 0.703 of 3', False),
    ('loss 0.693 of 3', 'loss 0.693 of 4', False),
    ('loss 0.693', 'cost 0.693', False),
    ('tensor([0.1000, 12.2])', 'tensor([ 0.1001, 12.3])', True),
    ('1.2e-07', '1.1e-07', True),
    ('R@10 31.2', 'R@5 31.2', False)])
def test_text_is_compared_within_a_tolerance(old, new, same):
    assert (compare_cells(stream(old), stream(new)) is None)==same

def test_of_a_proof_only_names_are_run():
    source = 'x = 1\ndef test_a():\n    assert 0\ntest_a()\nassert x==2\nprint(\n  x)\ny = 3'
    names = {}
    exec(without_calls(source), names)
    assert (names['x'], names['y'])==(1, 3) and without_calls(source).count('\n')==source.count('\n')

def test_spread_allows_trained_numbers_to_move():
    assert compare_cells(stream('rsum 277.0'), stream('rsum 275.5')) is not None
    assert compare_cells(stream('rsum 277.0'), stream('rsum 275.5'), spread=2) is None
    assert compare_cells(stream('rsum 277.0'), stream('rsum 274.5'), spread=2) is not None

def test_pieces_of_a_stream_are_one():
    assert compare_cells(stream('a\n')+stream('b\n'), stream('a\nb\n')) is None

def figure(value):
    import base64,io
    import matplotlib
    matplotlib.use('agg')
    import matplotlib.pyplot as plt
    fig,ax = plt.subplots(figsize=(4, 3))
    ax.plot([0, 1, 2], [0, value, 1])
    ax.set(ylim=(0, 2))
    out = io.BytesIO()
    fig.savefig(out, format='png', dpi=144)
    plt.close(fig)
    return [dict(output_type='display_data', data={'image/png':base64.b64encode(out.getvalue()).decode(), 'text/plain':'<Figure>'})]

def test_pictures_are_compared_by_a_small_distance():
    old = figure(1.5)
    assert compare_cells(old, figure(1.5)) is None
    assert compare_cells(old, figure(1.5001)) is None
    assert 'picture moved' in compare_cells(old, figure(1.2))
    assert 'outputs were' in compare_cells(old, [])
