"""What holds of both encoders, whatever their weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import gradients, jitted, marked, small, token_ids

NETS = ["transformer", "longformer"]
SEGMENTS = jnp.array([[1] * 11 + [2] * 13 + [0] * 6, [1] * 30])


def states(model, ids, **inputs):
    return np.asarray(jitted(model, lambda m: m(ids, **inputs).last_hidden_state))


def globals_of(name, batch, length, *places):
    return {"global_attention_mask": marked(batch, length, *places)} if name == "longformer" else {}


@pytest.mark.parametrize("name", NETS)
def test_padding_changes_nothing(name):
    model, ids = small(name), token_ids(2, 19)
    alone = states(model, ids, **globals_of(name, 2, 19, 0, 7))
    padded_ids = jnp.concatenate([ids, token_ids(2, 12, seed=5)], 1)
    real = jnp.concatenate([jnp.ones_like(ids), jnp.zeros((2, 12), jnp.int32)], 1)
    padded = states(model, padded_ids, attention_mask=real, **globals_of(name, 2, 31, 0, 7, 25))
    error = np.abs(padded[:, :19] - alone).max()
    print(f"{name}: padding moves real tokens by {error:.1e}")
    assert error < 2e-5  # seen 3e-6, of states that spread over 1
    assert alone.std() > 0.5


@pytest.mark.parametrize("name", NETS)
def test_a_packed_document_is_as_if_alone(name):
    model, ids = small(name), token_ids(1, 30)
    alone = states(model, ids[:, 11:24], **globals_of(name, 1, 13, 0))
    segments = SEGMENTS[:1]
    places = jnp.concatenate([jnp.arange(11), jnp.arange(13), jnp.zeros(6, jnp.int32)])[None]
    packed = states(model, ids, segment_ids=segments, position_ids=places, **globals_of(name, 1, 30, 0, 11))
    error = np.abs(packed[:, 11:24] - alone).max()
    print(f"{name}: packing moves a document by {error:.1e}")
    assert error < 2e-5


@pytest.mark.parametrize("name", NETS)
def test_no_gradient_crosses_a_document(name):
    ids = jnp.arange(24)[None]  # every token has a row of its own in the table
    segments = jnp.array([[1] * 10 + [2] * 10 + [0] * 4])
    inputs = {"segment_ids": segments, **globals_of(name, 1, 24, 0, 12)}
    grads = gradients(small(name), lambda m: jnp.square(m(ids, **inputs).last_hidden_state[:, 10:20]).sum())
    reached = np.abs(grads["embeddings.word.embedding"][:24]).max(-1) > 0
    assert reached.tolist() == [False] * 10 + [True] * 10 + [False] * 4


def test_a_token_sees_its_window_and_the_global_tokens_and_a_global_token_sees_all():
    model, at = small("longformer"), np.arange(30)
    ids = np.tile(at, (31, 1))
    ids[at, at] = 40  # row i has another word at place i; the last row is left alone
    inputs = {"global_attention_mask": marked(31, 30, 2)}
    answers = states(model, jnp.array(ids), **inputs)
    seen = np.abs(answers[:30] - answers[30:]).max(-1).T > 0  # [query key]
    expected = np.abs(at[:, None] - at[None]) <= 3
    expected[2, :] = expected[:, 2] = True
    assert np.array_equal(seen, expected)


def test_a_window_over_the_whole_row_is_dense_attention():
    model, ids = small("longformer", windows=(20,)), token_ids(3, 20)
    own = [item for item in nnx.to_flat_state(nnx.state(model)) if "_global" not in ".".join(map(str, item[0]))]
    dense = nnx.merge(nnx.graphdef(small("transformer")), nnx.from_flat_state(own))
    error = np.abs(states(dense, ids) - states(model, ids)).max()
    print(f"dense against a window over everything: {error:.1e}")
    assert error < 2e-5


@pytest.mark.parametrize("inputs", [{}, {"attention_mask": marked(2, 30, *range(21))}, {"segment_ids": SEGMENTS}])
@pytest.mark.parametrize("causal", [False, True])
def test_long_rows_give_what_short_rows_do(causal, inputs, monkeypatch):
    model, ids = small("transformer", causal=causal, attention_dropout_rate=0.3), token_ids(2, 30)
    real = np.asarray(inputs.get("attention_mask", inputs.get("segment_ids", np.ones((2, 30))))) != 0

    def loss(model):
        answers = model(ids, rngs=nnx.Rngs(dropout=1), **inputs).last_hidden_state
        return jnp.square(jnp.where(real[:, :, None], answers, 0)[:, :, :5]).sum()

    masked = gradients(model, loss)
    monkeypatch.setattr("models.transformer.LONGEST_MASKED_ROW", 29)
    grouped = gradients(model, loss)
    paths = [path for path in masked if not path.endswith("key.bias")]
    error = max(np.abs(masked[path] - grouped[path]).max() / np.abs(masked[path]).max() for path in paths)
    print(f"gradients of long and short rows differ by {error:.1e}")
    assert error < 1e-4


@pytest.mark.parametrize("name", NETS)
def test_a_permuted_batch_gives_permuted_states(name):
    model, order = small(name), jnp.array([2, 0, 1])
    given = {"input_ids": token_ids(3, 20), "attention_mask": jnp.tri(3, 20, 17, dtype=jnp.int32)}
    if name == "longformer":
        given["global_attention_mask"] = token_ids(3, 20, vocab_size=2) * marked(3, 20, 0, 5, 10)
    permuted_inputs = {key: each[order] for key, each in given.items()}
    whole, permuted = jitted(model, lambda m: (m(**given)[0], m(**permuted_inputs)[0]))
    assert jnp.abs(permuted - whole[order]).max() < 2e-5


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("rates", [(0.3, 0.0), (0.0, 0.3), (0.0, 0.0)])
def test_dropout_is_a_function_of_its_key_and_rate(name, rates):
    model, ids = small(name, dropout_rate=rates[0], attention_dropout_rate=rates[1]), token_ids(2, 16)
    inputs = globals_of(name, 2, 16, 0)
    keys = jax.vmap(jax.random.key)(jnp.array([1, 1, 2]))

    def run(model):
        def dropped(key):
            return model(ids, rngs=nnx.Rngs(dropout=key), **inputs).last_hidden_state

        return *jax.lax.map(dropped, keys), model(ids, **inputs).last_hidden_state

    first, again, other, without = jitted(model, run)
    assert jnp.array_equal(first, again)
    if any(rates):
        assert min(jnp.abs(first - other).max(), jnp.abs(first - without).max()) > 0.1
    else:
        assert max(jnp.abs(first - other).max(), jnp.abs(first - without).max()) < 1e-5


@pytest.mark.parametrize("name", NETS)
def test_a_row_of_padding_is_finite_and_so_are_its_gradients(name):
    model, ids = small(name), token_ids(2, 12)
    inputs = {"attention_mask": jnp.ones_like(ids).at[1].set(0), **globals_of(name, 2, 12, 0)}
    grads = gradients(model, lambda m: jnp.square(m(ids, **inputs).last_hidden_state).sum())
    assert all(np.isfinite(grad).all() for grad in grads.values())


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    ("positions", "norm", "activation", "dtype"),
    [
        ("learned", "pre", "geglu", "float32"),
        ("sinusoidal", "post", "geglu", "bfloat16"),
        ("rotary", "pre", "gelu", "bfloat16"),
        ("rotary", "post", "geglu", "float32"),
    ],
)
def test_every_wiring_runs_and_every_parameter_has_a_finite_gradient(name, positions, norm, activation, dtype):
    changes = {"positions": positions, "norm": norm, "activation": activation, "dtype": dtype, "token_types": 2}
    model, ids = small(name, **changes), token_ids(2, 12)
    inputs = {"token_type_ids": ids % 2, **globals_of(name, 2, 12, 3)}

    def loss(model):
        answers = model(ids, **inputs).last_hidden_state
        assert answers.dtype == dtype
        return jnp.square(answers[:, :, :5]).sum().astype(jnp.float32)

    grads = gradients(model, loss)
    assert all(grad.dtype == np.float32 and np.isfinite(grad).all() for grad in grads.values())
    assert not [path for path, grad in grads.items() if not grad.any() and "key" not in path]


@pytest.mark.parametrize("name", NETS)
def test_bfloat16_stays_near_float32(name):
    ids, inputs = token_ids(2, 24), globals_of(name, 2, 24, 0)
    nets = small(name), small(name, dtype="bfloat16")
    exact, short = (states(net, ids, **inputs).astype(np.float32) for net in nets)
    error = np.sqrt(np.square(short - exact).mean()) / exact.std()
    print(f"{name}: bfloat16 is {error:.1e} of the spread away")
    assert error < 0.05


@pytest.mark.parametrize("name", NETS)
def test_rotary_positions_see_distances_alone(name):
    model, ids = small(name, positions="rotary"), jnp.tile(token_ids(1, 16), (3, 1))
    at = jnp.arange(16)
    places = jnp.stack([at, at + 1000, at * 3])
    here, moved, stretched = states(model, ids, position_ids=places, **globals_of(name, 3, 16, 0))
    assert np.abs(here - moved).max() < 1e-3  # seen 2e-4: float32 angles near 1000
    assert np.abs(here - stretched).max() > 0.1


def test_a_causal_longformer_with_windows_per_head_sees_no_later_token():
    model = small("longformer", depth=1, windows=((1, 2, 3, 4),), dilations=((3, 1, 1, 2),), causal=True)
    ids, marks = token_ids(1, 20), marked(1, 20, 0, 9)

    def row(net, changed):
        return net(changed, global_attention_mask=marks).last_hidden_state

    want = jitted(model, lambda net: row(net, ids))
    got = jitted(model, lambda net: row(net, ids.at[0, 12].add(1)))
    moved = jnp.abs(got - want).max(-1)[0]
    assert not moved[:12].any()
    assert np.flatnonzero(moved).tolist() == [12, 13, 14, 15, 16, 18]


@pytest.mark.parametrize("inputs", [{}, {"attention_mask": marked(1, 30, *range(25))}, {"segment_ids": SEGMENTS[:1]}])
@pytest.mark.parametrize("longest", [512, 29])
def test_a_causal_transformer_sees_no_later_token(inputs, longest, monkeypatch):
    monkeypatch.setattr("models.transformer.LONGEST_MASKED_ROW", longest)
    model, ids = small("transformer", causal=True), token_ids(1, 30)
    both = jnp.concatenate([ids, ids.at[0, 12].add(1)])
    inputs = {name: jnp.concatenate([each, each]) for name, each in inputs.items()}
    want, got = states(model, both, **inputs)
    moved = np.flatnonzero(np.abs(got - want).max(-1) > 0)
    last = {"attention_mask": 25, "segment_ids": 24}.get(next(iter(inputs), ""), 30)
    assert moved[moved < last].tolist() == list(range(12, last))  # what padding sees is nobody's concern
