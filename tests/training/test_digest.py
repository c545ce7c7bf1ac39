import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.training.eight_devices import ARRAYS
from training.digest import _sums, by_path, finish_digests, start_digests


def digests(tree) -> dict[str, str]:
    return finish_digests(start_digests(tree))


def digest(array) -> str:
    return digests({"it": jnp.asarray(array)})["it"]


def with_bit_flipped(array: np.ndarray, bit: int) -> np.ndarray:
    content = bytearray(array.tobytes())
    content[bit // 8] ^= 1 << bit % 8
    return np.frombuffer(bytes(content), array.dtype).reshape(array.shape)


NOISE = np.random.default_rng(0).standard_normal((24, 40))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "uint8", "float8_e4m3fn"])
def test_every_flipped_bit_is_seen_whatever_the_type(dtype):
    array = np.asarray(jnp.asarray(NOISE, dtype))
    flips = np.random.default_rng(1).choice(array.nbytes * 8, 40, replace=False)
    seen = {digest(array), *(digest(with_bit_flipped(array, int(bit))) for bit in flips)}
    assert len(seen) == 41


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_a_flipped_bit_of_a_random_key_is_seen(impl):
    key = jax.random.key(7, impl=impl)
    other = jax.random.wrap_key_data(jax.random.key_data(key) ^ jnp.uint32(1), impl=impl)
    assert digest(key) != digest(other)


def test_changes_that_keep_the_sum_of_the_values_are_seen():
    array = NOISE.astype(np.float32)
    swapped_rows, swapped_words, zeroed, moved = (array.copy() for _ in range(4))
    swapped_rows[[3, 4]] = array[[4, 3]]
    swapped_words.flat[[0, 1]] = array.flat[[1, 0]]
    zeroed[5] = 0
    moved[1:3] = array[0:2]
    flat, negative_zeros = array.reshape(-1), np.negative(np.zeros(4, np.float32))
    all_different = [array, swapped_rows, swapped_words, zeroed, moved, np.zeros(4, np.float32), negative_zeros]
    assert len({digest(a) for a in all_different}) == len(all_different)
    assert digest(flat) == digest(array)  # the shape is kept beside it


def test_arrays_that_change_places_are_seen():
    one, two = jnp.arange(4.0), jnp.arange(4.0) + 1
    assert digests({"a": one, "b": two}) != digests({"a": two, "b": one})


def test_scalars_empty_arrays_and_booleans_have_digests_too():
    values = [jnp.float32(0), jnp.float32(1), jnp.zeros((0, 3)), jnp.array(True), jnp.array([True, False])]
    assert len({digest(value) for value in values}) == len(values)


def test_random_damage_collides_as_seldom_as_random_numbers():
    """On 16 of the 64 bits, where collisions can be counted: up to four words of 256 changed, 100,000 times."""

    def damaged(key):
        where, what = jax.random.split(key)
        at = jax.random.randint(where, (4,), 0, 256)
        return _sums(jnp.zeros(256, jnp.uint32).at[at].set(jax.random.bits(what, (4,))), jnp.uint32(0), (1,))

    whole = _sums(jnp.zeros(256, jnp.uint32), jnp.uint32(0), (1,))
    sums = jax.jit(jax.vmap(damaged))(jax.random.split(jax.random.key(0), 100_000))
    for half in range(2):
        for shift in (0, 16):
            same = int(jnp.sum((sums[:, 0, half] >> shift) % 2**16 == (whole[0, half] >> shift) % 2**16))
            print(f"sum {half}, bits {shift} to {shift + 15}: {same} equal, 1.5 expected")  # 0 to 4 seen
            assert same < 10


def test_no_copy_of_the_array_is_made():
    array = jax.ShapeDtypeStruct((1024, 3072), jnp.float32)
    temporary = _sums.lower(array, jnp.uint32(0), (3072, 1)).compile().memory_analysis().temp_size_in_bytes
    print(f"{temporary} bytes beside an array of {4 * array.size}")  # 8 kB of 12.6 MB seen
    assert temporary < 0.01 * 4 * array.size


def test_the_digest_is_the_same_on_one_and_on_eight_devices(eight_devices):
    told, _ = eight_devices
    for name, array in ARRAYS.items():
        assert {digest(array)} == set(told["digests"][name].values()), name
    assert told["sent"] == []  # many such programs at once, each waiting for all devices, could wait for ever


def test_two_leaves_of_one_path_are_refused():
    with pytest.raises(ValueError, match="same path"):
        by_path({"a": {"b": 1}, "a/b": 2})
