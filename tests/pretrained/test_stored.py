"""Weights come into memory once: block by block, turned and in float32, into arrays that JAX takes over."""

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from errors import InputError
from pretrained.files import SAFETENSORS, stored_weights
from pretrained.stored import BLOCK, lying_at, read_weights, same_values

WEIGHTS = {
    "many.kernel": np.random.default_rng(0).normal(size=(3 * BLOCK // 28 + 5, 7)).astype(np.float32),
    "wide.kernel": np.random.default_rng(1).normal(size=(70, BLOCK // 128 + 3)).astype(np.float16),
    "short.bias": np.random.default_rng(2).normal(size=33).astype(ml_dtypes.bfloat16),
    "exact.bias": np.array([1.0, 1 + 2**-40]),
    "scale": np.array(2.5, np.float32),
    "nothing.kernel": np.zeros((0, 4), np.float32),
}


def turned(path, value):
    return value.T if path.endswith(".kernel") else value


@pytest.fixture
def stored(tmp_path):
    save_file(WEIGHTS, tmp_path / SAFETENSORS.file)
    return stored_weights(tmp_path)


def test_every_precision_is_read_into_float32_bit_by_bit_and_turned(stored):
    want = {name: turned(name, array).astype(np.float32) for name, array in WEIGHTS.items()}
    got = read_weights({name: [weight] for name, weight in stored.items()}, want, turned)
    for name, array in want.items():
        assert got[name].dtype == np.float32
        np.testing.assert_array_equal(got[name], array, strict=True)


def test_layers_lie_behind_one_another(stored):
    twice = np.stack([WEIGHTS["many.kernel"].T] * 2)
    got = read_weights({"layers.0-1.kernel": [stored["many.kernel"]] * 2}, {"layers.0-1.kernel": twice}, turned)
    np.testing.assert_array_equal(got["layers.0-1.kernel"], twice)


def test_jax_takes_the_memory_over_without_a_copy(stored, monkeypatch):
    if jax.default_backend() != "cpu":
        pytest.skip("an accelerator has memory of its own")
    given, put = [], jax.device_put
    monkeypatch.setattr(jax, "device_put", lambda value: given.append(value) or put(value))
    want = {name: turned(name, WEIGHTS[name]) for name in ("many.kernel", "short.bias")}
    got = read_weights({name: [stored[name]] for name in want}, want, turned)
    assert [got[name].unsafe_buffer_pointer() for name in want] == [array.ctypes.data for array in given]


def test_weights_are_the_same_if_every_number_is(stored):
    assert same_values(stored["many.kernel"], stored["many.kernel"])
    assert not same_values(stored["many.kernel"], stored["nothing.kernel"])
    assert not same_values(stored["short.bias"], stored["exact.bias"])


def test_a_file_that_is_cut_after_its_header_was_read_is_refused(stored, tmp_path):
    path = tmp_path / SAFETENSORS.file
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="has become shorter since its header was read"):
        read_weights({name: [weight] for name, weight in stored.items()}, WEIGHTS, lambda path, value: value)
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_weights({"scale": [stored["scale"]]}, WEIGHTS, turned)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_part_of_a_weight_is_read_alone(dtype, tmp_path):
    whole = np.arange(24, dtype=jax.numpy.dtype(dtype)).reshape(6, 4)
    (tmp_path / "weights").write_bytes(b"12345" + whole.tobytes())
    stored = lying_at(5, tmp_path / "weights", (6, 4), dtype)
    rows, columns = stored.part(1, 3, axis=0), stored.part(1, 2, axis=-1)
    assert (rows.shape, columns.shape) == ((2, 4), (6, 2))
    assert (rows.rows(0, 2) == whole[2:4].astype(np.float32)).all()
    assert (columns.rows(1, 6) == whole[1:, 2:].astype(np.float32)).all()
    vector = lying_at(5, tmp_path / "weights", (24,), dtype).part(1, 2, axis=-1)
    assert (vector.rows(0, 12) == whole.ravel()[12:].astype(np.float32)).all()
