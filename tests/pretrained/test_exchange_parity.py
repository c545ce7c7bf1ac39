"""Every head of every family: read from transformers' files, written to them, with the same answers and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import pretrained

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

from published import FAMILIES, HEADS, answers, inputs, published  # noqa: E402

CASES = [(family, head) for family in FAMILIES for head in HEADS]


def load(directory, family, **sizes):
    return pretrained.load(directory, **({"max_global_tokens": 6} if family == "longformer" else {}), **sizes)


@nnx.jit
def call(model, given):
    return model(**given)


def spread_error(ours, theirs, real):
    """Largest difference over the reference's standard deviation, at real tokens."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if theirs.shape[:2] == real.shape:
        ours, theirs = ours[real], theirs[real]
    assert theirs.std() > 0.3
    return np.abs(ours - theirs).max() / theirs.std()


def weighted_sum(given, found, names, stack):
    """A scalar that depends on every answer of those names at real tokens."""
    total, draw, real = 0, np.random.default_rng(2), np.asarray(given["attention_mask"])
    for name in names:
        weights = draw.normal(size=found[name].shape).astype(np.float32)
        counted = real if weights.shape[:2] == real.shape else real[:, 0]  # PyTorch holds padding's vector still
        weights *= counted.reshape(*counted.shape, *[1] * (weights.ndim - counted.ndim))
        total = total + (found[name] * stack(weights)).sum()
    return total


def their_gradients(model, given):
    output = answers(model(**{name: torch.from_numpy(array) for name, array in given.items()}))
    weighted_sum(given, output, list(output), torch.from_numpy).backward()
    return {name: np.zeros(w.shape) if w.grad is None else w.grad.numpy() for name, w in model.named_parameters()}


def our_gradients(model, given, names, architecture):
    graph, state = nnx.split(model)
    inputs = {name: jnp.asarray(array) for name, array in given.items()}

    @jax.jit
    @jax.grad
    def gradients(state):
        return weighted_sum(given, answers(nnx.merge(graph, state)(**inputs)), names, jnp.asarray)

    family = next(f for f in pretrained.FAMILIES.values() if architecture in f.heads)
    found = {}
    for path, leaf in nnx.to_flat_state(gradients(state)):
        name = ".".join(map(str, path))
        value = np.asarray(leaf[...])
        found[family.counterpart(name, architecture)] = value.T if name.endswith("kernel") else value
    return found


def gradient_error(ours, theirs):
    """Largest difference in a parameter over its largest gradient; a key's bias has none but for rounding."""
    assert set(ours) == set(theirs)
    most = {name: np.abs(grad).max() for name, grad in theirs.items()}
    keys = ("key.bias", "key_global.bias")
    scale = {name: max(most.values()) if name.endswith(keys) else max(most[name], 1e-12) for name in theirs}
    return max(np.abs(ours[name] - theirs[name]).max() / scale[name] for name in theirs)


@pytest.mark.parametrize(("family", "head"), CASES)
def test_answers_and_gradients_are_theirs_and_what_is_saved_is_read_back_by_them(family, head, tmp_path):
    theirs, given = published(family, head), inputs(family)
    theirs.save_pretrained(tmp_path / "theirs")
    model = load(tmp_path / "theirs", family)
    with torch.no_grad():
        want = answers(theirs(**{name: torch.from_numpy(array) for name, array in given.items()}))
    got = answers(call(model, given))
    assert set(want) <= set(got)
    error = max(spread_error(got[name], want[name], given["attention_mask"] == 1) for name in want)
    gradient = gradient_error(
        our_gradients(model, given, list(want), type(theirs).__name__), their_gradients(theirs, given)
    )
    print(f"{family}{head}: answers {error:.1e}, gradients {gradient:.1e}")
    assert error < 1e-4  # seen 4e-6
    assert gradient < 1e-3  # seen 3e-6

    pretrained.save(model, tmp_path / "ours")
    again, told = type(theirs).from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(told.values()), told
    before, after = theirs.state_dict(), again.state_dict()
    assert set(before) == set(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    with torch.no_grad():
        same = answers(again.eval()(**{name: torch.from_numpy(array) for name, array in given.items()}))
    assert all(torch.equal(same[name], want[name]) for name in want)
