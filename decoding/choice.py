"""One token for each row: the likeliest, or one that is drawn."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, Key

from decoding.settings import Settings


def chosen(
    logits: Float[Array, "B V"], settings: Settings, keys: Key[Array, "B"] | None, new: Int[Array, ""]
) -> Int[Array, "B"]:
    """`keys`: one for each row; with the number of new tokens it gives the draw, whatever other rows there are."""
    if not settings.do_sample:
        return likeliest(logits)
    draw = jax.vmap(lambda key, row: jax.random.categorical(jax.random.fold_in(key, new), row))
    return draw(keys, cut(logits, settings)).astype(jnp.int32)


def likeliest(logits: Float[Array, "B V"]) -> Int[Array, "B"]:
    """The first of the largest logits, as `argmax` finds it, or 0 in a row with NaN.

    In two sums over the row that XLA for CPUs does many numbers at a time, where it goes through `argmax` one by one.
    """
    top = logits.max(-1, keepdims=True)
    places = jnp.arange(logits.shape[-1], dtype=jnp.int32)[None]
    return jnp.where(logits < top, logits.shape[-1], places).min(-1)


def row_keys(key: Array, row_ids: Int[Array, "B"], copies: int) -> Key[Array, "B*{copies}"]:
    """A key for each copy of each row, from the row's number and the copy's alone."""
    key = key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)
    rows = jnp.repeat(row_ids, copies)
    numbers = jnp.tile(jnp.arange(copies), row_ids.shape[0])
    return jax.vmap(lambda row, number: jax.random.fold_in(jax.random.fold_in(key, row), number))(rows, numbers)


def cut(logits: Float[Array, "B V"], settings: Settings) -> Float[Array, "B V"]:
    """Divided by the temperature, and -inf for the unlikely tokens that are not to be drawn; the first stays always.

    Source: Fan et al. 2018, section 3.3 (top_k); Holtzman et al. 2020, section 3.1 (top_p); Nguyen et al. 2024,
    section 3 (min_p).
    """
    logits = logits / settings.temperature
    if settings.top_k:
        logits = _from(logits, jax.lax.top_k(logits, settings.top_k)[0][:, -1:])
    if settings.top_p < 1:
        falling = -jnp.sort(-logits, axis=-1)
        chances = jax.nn.softmax(falling)
        likelier = jnp.cumsum(chances, axis=-1) - chances
        kept = jnp.maximum((likelier < settings.top_p).sum(-1, keepdims=True), 1)
        logits = _from(logits, jnp.take_along_axis(falling, kept - 1, axis=-1))
    if settings.min_p:
        logits = _from(logits, logits.max(-1, keepdims=True) + jnp.log(settings.min_p))
    return logits


def _from(logits: Float[Array, "B V"], least: Float[Array, "B 1"]) -> Float[Array, "B V"]:
    return jnp.where(logits >= least, logits, -jnp.inf)
