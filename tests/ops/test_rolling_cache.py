"""Decoding token by token against the full causal pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from errors import InputError
from ops.global_tokens import find_global_tokens
from ops.rolling_cache import attend_next, empty_cache, filled_cache
from ops.sliding_window import sliding_window_attention
from ops.window import Window

B, S, H, K = 2, 23, 2, 4
WINDOWS = [Window(3, causal=True), Window((2, 5), causal=True), Window((2, 3), dilation=(3, 1), causal=True)]


def draws():
    with jax.enable_x64(True):
        return jnp.asarray(np.random.default_rng(0).normal(size=(3, B, S, H, K)))


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("prompt", [0, 1, 9])
def test_tokens_one_by_one_see_what_the_full_pass_sees(window, prompt):
    groups = jnp.asarray(np.sort(np.random.default_rng(1).integers(0, 3, (B, S))).astype(np.int32))
    is_global = jnp.zeros((B, S), bool).at[:, : min(prompt, 2)].set(True)
    with jax.enable_x64(True):
        q, k, v = draws()
        tokens = find_global_tokens(is_global, 3) if prompt else None
        want = sliding_window_attention(q, k, v, window=window, groups=groups, tokens=tokens)
        if prompt:
            first = find_global_tokens(is_global[:, :prompt], 3)
            start = k[:, :prompt], v[:, :prompt]
            cache = filled_cache(*start, window=window, groups=groups[:, :prompt], tokens=first)
        else:
            cache = empty_cache(B, H, K, window=window, dtype=q.dtype)
        sizes = jax.tree.map(jnp.shape, cache)
        step = jax.jit(attend_next, static_argnames="window")
        worst = 0.0
        for at in range(prompt, S):
            out, cache = step(
                *(
                    x[:, at : at + 1]
                    for x in (
                        q,
                        k,
                        v,
                    )
                ),
                cache,
                window=window,
                groups=groups[:, at : at + 1],
            )
            worst = max(worst, float(jnp.abs(out[:, 0] - want[:, at]).max()))
        assert jax.tree.map(jnp.shape, cache) == sizes
    print("error", worst)
    assert worst < 1e-13  # measured 7e-16


@pytest.mark.parametrize("window", [pytest.param(WINDOWS[0], marks=pytest.mark.slow), *WINDOWS[1:]], ids=str)
def test_several_tokens_at_once_see_what_the_full_pass_sees(window):
    groups = jnp.asarray(np.sort(np.random.default_rng(1).integers(0, 3, (B, S))).astype(np.int32))
    is_global = jnp.zeros((B, S), bool).at[:, :2].set(True)
    with jax.enable_x64(True):
        q, k, v = draws()
        want = sliding_window_attention(q, k, v, window=window, groups=groups, tokens=find_global_tokens(is_global, 3))
        first = find_global_tokens(is_global[:, :5], 3)
        cache = filled_cache(k[:, :5], v[:, :5], window=window, groups=groups[:, :5], tokens=first)
        at, worst = 5, 0.0
        for count in (2, 13, 1, 2):
            new = slice(at, at + count)
            out, cache = attend_next(q[:, new], k[:, new], v[:, new], cache, window=window, groups=groups[:, new])
            worst, at = max(worst, float(jnp.abs(out - want[:, new]).max())), at + count
        assert at == S
    print("error", worst)
    assert worst < 1e-13  # measured 9e-16


def test_the_cache_holds_a_window_and_no_more():
    assert empty_cache(1, 2, 4, window=Window((2, 3), dilation=(3, 1), causal=True)).k.shape == (1, 7, 2, 4)


def test_a_window_that_looks_ahead_is_refused():
    with pytest.raises(InputError, match="only a causal window can be decoded"):
        empty_cache(1, 2, 4, window=Window(3))
