"""The sliding window on a GPU: Pallas kernels with the Triton lowering, of the meaning of `window_blocks`.

A program takes one block of queries of one head and walks over the blocks of keys that its windows touch, then over the
slots, with a running softmax (Dao et al. 2022, algorithm 1). The backward pass recomputes the weights from the saved
log-sum-exp: once for dq in the same walk, once for dk and dv with the keys as the block and the queries as the walk.
All queries may see a slot, so slots walk over chunks of the queries, whose sums are added outside.

Arrays keep their layout [B S H K]: a block is rows of K numbers a fixed stride apart. The wrapper pads lengths to whole
blocks (group 0, seen by nobody) and K to a power of two; a length of whole blocks and a K of 64 are not copied.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from ops.window_arrays import arrays_needed, differentiable, exact, pad, weighted_d_weights
from ops.window_triton_kernels import CHUNK, Plan, attend_kernel, keys_kernel, queries_kernel, slots_kernel


def _forward(interpret, band, q, k, v, slot_k, slot_v, sight):
    plan = _plan(band, interpret, q, k, slot_k)
    mine, theirs, slots = _arrays(plan, q, k, v, slot_k, slot_v, sight)
    B, T, H, K = mine.q.shape
    out, lse = _call(
        plan,
        attend_kernel,
        (T // plan.queries, 1, H, B),
        (_tiles(mine, plan.queries), _rows(theirs), _rows(slots)),
        (mine, theirs, slots, sight.seed),
        [((B, T, H, K), v.dtype, plan.queries), ((B, H, T), exact(q), plan.queries)],
    )
    out = out[:, : q.shape[1], :, : q.shape[3]]
    return out, (q, k, v, slot_k, slot_v, sight, out, lse)


def _backward(interpret, band, saved, d_out):
    q, k, v, slot_k, slot_v, sight, out, lse = saved
    plan = _plan(band, interpret, q, k, slot_k)
    mine, theirs, slots = _arrays(plan, q, k, v, slot_k, slot_v, sight)
    B, T, H, K = mine.q.shape
    more = {"d_out": d_out.astype(q.dtype), "delta": weighted_d_weights(out, d_out)}
    mine = mine._replace(lse=lse, **_whole(more, T))
    blocks = T // plan.queries
    (dq,) = _call(
        plan,
        queries_kernel,
        (blocks, 1, H, B),
        (_tiles(mine, plan.queries), _rows(theirs), _rows(slots)),
        (mine, theirs, slots, sight.seed),
        [((B, T, H, K), q.dtype, plan.queries)],
    )
    S = theirs.k.shape[1]
    dk, dv = _call(
        plan,
        keys_kernel,
        (S // plan.keys, 1, H, B),
        (_rows(mine), _tiles(theirs, plan.keys)),
        (mine, theirs, sight.seed),
        [((B, S, H, K), x.dtype, plan.keys) for x in (k, v)],
    )
    d_slot_k, d_slot_v = jnp.zeros_like(slot_k), jnp.zeros_like(slot_v)
    if slots is not None:
        G, chunks = slots.k.shape[1], -(-blocks // CHUNK)
        parts = _call(
            plan,
            slots_kernel,
            (G // plan.slots, chunks, H, B),
            (_rows(mine), _tiles(slots, plan.slots)),
            (mine, slots, sight.seed),
            [((B, chunks, G, H, K), exact(q), plan.slots)] * 2,
        )
        d_slot_k, d_slot_v = (x.sum(1).astype(k.dtype) for x in parts)
    grads = zip((dq, dk, dv, d_slot_k, d_slot_v), (q, k, v, slot_k, slot_v), strict=True)
    return *(grad[:, : x.shape[1], :, : x.shape[3]] for grad, x in grads), None


attend_by_triton = differentiable(_forward, _backward)
"""As `window_blocks.attend_in_blocks` on a GPU; `band.block` and `band.heads` are not looked at."""


def _plan(band, interpret, q, k, slot_k):
    """Blocks of at most 128 queries and 64 keys; smaller where rows are short or wide."""
    (_, T, _, K), S, G = q.shape, k.shape[1], slot_k.shape[1]
    wide = max(1, _power(K) * q.dtype.itemsize // 256)  # 1 up to 128 numbers of 2 bytes, 64 of 4
    far = T + S + abs(band.shift)  # farther than any key: keeps sums of places small
    return Plan(
        band._replace(before=min(band.before, far), after=min(band.after, far)),
        K**-0.5 * math.log2(math.e),
        min(128 // wide, _power(T // 4)),
        min(64 // wide, _power(S // 4)),
        min(64 // wide, _power(G)),
        interpret,
    )


def _power(n):
    """The power of two from 16 up that is `n` or the next above."""
    return max(16, pl.next_power_of_2(max(n, 1)))


def _arrays(plan, *arrays):
    """Queries, keys and slots (None: no slots), padded."""
    mine, theirs, slots = arrays_needed(plan.band, *arrays)
    T, S, G = plan.whole(mine.q.shape[1], theirs.k.shape[1], slots.k.shape[1] if slots else 0)
    return _whole(mine, T), _whole(theirs, S), _whole(slots, G)


def _whole(arrays, length):
    """Of [B S H K], [B H S] and [B S]: S padded to `length`, and K to a power of two."""

    def whole(x):
        return pad(x, {1: length, 3: _power(x.shape[3])} if x.ndim == 4 else {x.ndim - 1: length})

    return jax.tree.map(whole, arrays)


def _tiles(arrays, size):
    """Program (n, chunk, head, example) gets block `n` of its head's rows."""
    return jax.tree.map(lambda x: _spec(x.shape, size), arrays)


def _rows(arrays):
    """Each program gets all rows of its head, and loads of them what it needs."""
    return jax.tree.map(lambda x: _spec(x.shape, None), arrays)


def _spec(shape, size):
    """Of [B S H K], [B chunks S H K], [B S] or [B H S]: the rows S of one head."""
    K, S = shape[-1], shape[{2: 1, 3: 2, 4: 1, 5: 2}[len(shape)]]
    size, at = (S, lambda n: 0) if size is None else (size, lambda n: n)
    return {
        2: pl.BlockSpec((None, size), lambda n, c, h, b: (b, at(n))),
        3: pl.BlockSpec((None, None, size), lambda n, c, h, b: (b, h, at(n))),
        4: pl.BlockSpec((None, size, None, K), lambda n, c, h, b: (b, at(n), h, 0)),
        5: pl.BlockSpec((None, None, size, None, K), lambda n, c, h, b: (b, c, at(n), h, 0)),
    }[len(shape)]


def _call(plan, kernel, grid, specs, arrays, outs):
    """Run `kernel` for outputs given as (shape, type, rows in a block). The last of `arrays` is the seed, or None."""
    seed = None if arrays[-1] is None else pl.BlockSpec((2,), lambda n, c, h, b: (0,))
    return pl.pallas_call(
        partial(kernel, plan),
        grid=grid,
        in_specs=[*specs, seed],
        out_specs=[_spec(shape, size) for shape, _, size in outs],
        out_shape=[jax.ShapeDtypeStruct(shape, dtype) for shape, dtype, _ in outs],
        compiler_params=plgpu.CompilerParams(num_warps=4, num_stages=2),
        interpret=plan.interpret,
        name=kernel.__name__,
    )(*arrays)
