"""Layers scanned or written out, kept or computed again: one function, other programs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import QUICK, config, marked, token_ids

from layer_stacks import arranged, write_out
from models import MODELS
from models.depth import LayerKeys

IDS = token_ids(2, 16)
WINDOWS = ((3,), (3, 3, 5), (2, 3, 4))


def built(name, **changes):
    """A net with its own initial weights, made in one program."""
    defaults = {"depth": 3} | ({"windows": (3,)} if name == "longformer" else {})
    cfg = config(name, **(defaults | changes))
    graph = nnx.graphdef(nnx.eval_shape(lambda: MODELS[name][1](cfg, rngs=nnx.Rngs(3))))
    state = jax.jit(lambda: nnx.state(MODELS[name][1](cfg, rngs=nnx.Rngs(3))), compiler_options=QUICK)()
    return nnx.merge(graph, state)


def flat(model):
    return {".".join(map(str, path)): leaf[...] for path, leaf in nnx.to_flat_state(nnx.state(model))}


def answer_and_gradients(model):
    graph, params = nnx.split(model)
    inputs = {"global_attention_mask": marked(2, 16, 0, 5)} if hasattr(model.cfg, "windows") else {}

    def loss(params):
        hidden = nnx.merge(graph, params)(IDS, rngs=nnx.Rngs(dropout=1), **inputs).last_hidden_state
        return jnp.square(hidden[:, :, :5]).sum(), hidden

    gradients, hidden = jax.jit(jax.grad(loss, has_aux=True), compiler_options=QUICK)(params)
    return hidden, {".".join(map(str, path)): leaf[...] for path, leaf in nnx.to_flat_state(gradients)}


def far(one, other, paths):
    """The largest difference relative to the largest number; keys' biases have gradients of rounding errors alone."""
    paths = [path for path in paths if not path.endswith(("key.bias", "key_global.bias"))]
    return max(np.abs(one[path] - other[path]).max() / np.abs(other[path]).max() for path in paths)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("transformer", {}), pytest.param("longformer", {"windows": WINDOWS[1]}, marks=pytest.mark.slow)],
    ids=str,
)
def test_scanned_layers_have_the_same_weights_answers_and_gradients(name, changes):
    plain, scanned = built(name, **changes), built(name, scan=True, **changes)
    apart = flat(plain)
    assert all(np.array_equal(value, apart[path]) for path, value in arranged(flat(scanned), apart).items())
    hidden, gradients = answer_and_gradients(scanned)
    want, wanted = answer_and_gradients(plain)
    error = far(arranged(gradients, wanted), wanted, wanted)
    print(f"{name} {changes}: {np.abs(hidden - want).max():.1e}, gradients {error:.1e}")
    assert np.abs(hidden - want).max() < 2e-5  # seen 0
    assert error < 1e-4  # seen 0


def test_neighbours_alike_share_a_stack_and_others_stand_alone():
    def layers(windows):
        cfg = config("longformer", depth=3, scan=True, windows=windows)
        return [*nnx.eval_shape(lambda: MODELS["longformer"][1](cfg, rngs=nnx.Rngs(3))).layers]

    stacks = {windows: layers(windows) for windows in WINDOWS}
    assert stacks == {WINDOWS[0]: ["0-2"], WINDOWS[1]: ["0-1", "2-2"], WINDOWS[2]: ["0-0", "1-1", "2-2"]}


@pytest.mark.slow
def test_stacks_beyond_the_tenth_layer_run_bottom_first_in_a_merged_net_too():
    """In the alphabet 10-11 comes before 2-9, and so do the parts of a module that is put together again."""
    windows = (1, 1) + (2,) * 8 + (5, 5)
    plain, scanned = (built("longformer", depth=12, windows=windows, scan=scan) for scan in (False, True))
    kept = [jax.jit(lambda ids, m=m: m(ids, output_hidden_states=True).hidden_states)(IDS) for m in (plain, scanned)]
    errors = [np.abs(one - other).max() for one, other in zip(*kept, strict=True)]
    print(f"{max(errors):.1e}")
    assert len(errors) == 13
    assert max(errors) < 1e-5
    apart = flat(plain)
    assert all(np.array_equal(value, apart[path]) for path, value in flat(write_out(scanned)).items())


def test_a_written_out_net_has_a_module_for_each_layer():
    model = built("transformer", scan=True)
    out = write_out(nnx.clone(model))
    assert flat(out).keys() == flat(built("transformer")).keys()
    hidden, _ = answer_and_gradients(out)
    assert np.abs(hidden - answer_and_gradients(model)[0]).max() < 2e-5


@pytest.mark.parametrize(
    ("name", "scan"),
    [
        ("transformer", True),
        pytest.param("longformer", False, marks=pytest.mark.slow),
        pytest.param("transformer", False, marks=pytest.mark.slow),
        pytest.param("longformer", True, marks=pytest.mark.slow),
    ],
)
def test_what_is_computed_again_has_the_same_gradients(name, scan):
    want, wanted = answer_and_gradients(built(name, depth=1, scan=scan))
    for remat in ("dots", "full"):
        hidden, gradients = answer_and_gradients(built(name, depth=1, scan=scan, remat=remat))
        error = far(gradients, wanted, wanted)
        print(f"{remat} {name} scan={scan}: {error:.1e}")
        assert np.abs(hidden - want).max() < 2e-5
        assert error < 1e-4  # seen 0


def program(model):
    graph, params = nnx.split(model)
    return jax.jit(jax.grad(lambda params: jnp.square(nnx.merge(graph, params)(IDS).last_hidden_state).sum())), params


def test_a_scanned_program_does_not_grow_with_depth():
    lengths = {}
    for scan in (False, True):
        for depth in (2, 4):
            function, params = program(built("transformer", depth=depth, scan=scan))
            lengths[scan, depth] = len(str(function.trace(params).jaxpr).splitlines())
    assert lengths[True, 4] == lengths[True, 2]
    assert lengths[False, 4] > 1.6 * lengths[False, 2]


@pytest.mark.slow
def test_less_is_kept_the_more_is_computed_again():
    sizes = {"width": 64, "mlp_width": 256, "depth": 8, "scan": True}
    temporary = []
    for remat in ("none", "dots", "full"):
        function, params = program(built("transformer", remat=remat, **sizes))
        temporary.append(function.lower(params).compile().memory_analysis().temp_size_in_bytes)
    print("bytes", temporary)
    assert temporary[0] > 1.3 * temporary[1] > 1.6 * temporary[2]


def test_layers_draw_the_keys_that_nnx_would_give_them():
    ours, theirs = LayerKeys(jax.random.key(5)), nnx.Rngs(jax.random.key(5))
    assert all(ours.params() == theirs.params() for _ in range(3))
