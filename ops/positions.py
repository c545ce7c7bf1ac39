"""Position signals that are computed and not learned."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from errors import InputError

STRIDE = 1024  # tokens; a place is so many of these and so many more


def sinusoids(places: Int[Array, "B S"], width: int, *, base: float = 10_000.0) -> Float[Array, "B S D"]:
    """Sines in the even columns and cosines in the odd ones, wavelengths from 2 pi to `base` * 2 pi. float32.

    Place p has p // 1024 and p % 1024 from two tables made in float64, for in float32 p * rate loses digits past some
    thousand places; the sine of a sum joins them. Errors stay below 2e-7. NaN beyond place 1024^2 - 1.

    Raises:
      InputError: if `width` is odd.
    Source: Vaswani et al. 2017, section 3.5.
    """
    if width % 2:
        raise InputError(f"Sinusoidal positions need an even width, got {width}.")
    rates = base ** (-np.arange(0, width, 2) / width)
    far, near = (np.arange(STRIDE)[:, None] * step * rates[None, :] for step in (STRIDE, 1))
    tables = (far, places // STRIDE), (near, places % STRIDE)
    (far_sin, far_cos), (near_sin, near_cos) = (
        [jnp.take(jnp.asarray(f(angle), jnp.float32), at, axis=0, mode="fill") for f in (np.sin, np.cos)]
        for angle, at in tables
    )
    pairs = far_sin * near_cos + far_cos * near_sin, far_cos * near_cos - far_sin * near_sin
    return jnp.stack(pairs, -1).reshape(*places.shape, width)  # [B S D]


def rotary(
    x: Float[Array, "B S H K"], positions: Int[Array, "B S"], *, base: float = 10_000.0
) -> Float[Array, "B S H K"]:
    """Rotate pairs of channels by an angle proportional to the position, so that q . k depends on the distance alone.

    Channel i pairs with channel i + K/2 (the half-rotation of GPT-NeoX, not the paper's interleaved pairs). The angles
    are float32, or float64 for float64 inputs.

    Raises:
      InputError: if K is odd.
    Source: Su et al. 2021, section 3.2.2, equation 34.
    """
    K = x.shape[-1]
    if K % 2:
        raise InputError(f"Rotary positions need an even head width, got {K}.")
    exact = jnp.promote_types(x.dtype, jnp.float32)
    rates = jnp.asarray(base ** (-np.arange(0, K, 2) / K), exact)
    angle = positions.astype(exact)[:, :, None, None] * rates[None, None, None, :]  # [B S 1 K/2]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    low, high = x[..., : K // 2].astype(exact), x[..., K // 2 :].astype(exact)
    return jnp.concatenate([low * cos - high * sin, high * cos + low * sin], -1).astype(x.dtype)


def distance_buckets(buckets: int, longest: int, *, both_sides: bool) -> np.ndarray:
    """[2 * longest + 1] int32: the bucket of each distance key - query from -`longest` to `longest` tokens.

    Of the buckets for one side the first half holds a distance each; in the rest they widen as its logarithm up to
    `longest`, and what is farther shares the last one. Without `both_sides` later keys are all in bucket 0.

    Raises:
      InputError: if there are too few buckets, or `longest` is not above what has a bucket of its own.
    Source: Raffel et al. 2020, section 2.1 and code.
    """
    side = buckets // 2 if both_sides else buckets
    exact = side // 2
    if exact < 1 or longest <= exact:
        raise InputError(f"{buckets} buckets do not serve distances of up to {longest} tokens")
    away = np.arange(-longest, longest + 1)
    distance = np.abs(away) if both_sides else np.maximum(-away, 0)
    # In float32 and in this order, as in the code that published models were trained with.
    share = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact)) / np.float32(
        math.log(longest / exact)
    )
    wide = np.minimum(exact + (share * np.float32(side - exact)).astype(np.int32), side - 1)
    bucket = np.where(distance < exact, distance, wide)
    return (bucket + (side * (away > 0) if both_sides else 0)).astype(np.int32)
