"""The sliding window on a TPU: Pallas kernels with the Mosaic lowering, of the meaning of `window_blocks`.

A program's grid is example, head, block of queries, step: from step to step a block of queries walks over the blocks of
keys that its windows touch, and no others are fetched; it looks at the slots in the first steps. The softmax is a
running one (Dao et al. 2022, algorithm 1). The backward pass recomputes the weights from the saved log-sum-exp: once
for dq in the same walk, once for dk and dv with the keys as the block and the queries as the walk, and for the slots
with all queries as the walk.

The wrapper puts tokens last, [B H K S], so that the lanes of the machine are full with any K (a K of 64 in the last
axis would leave half of them empty, in memory too); XLA can let the projections write q, k and v so. It pads lengths to
whole blocks (group 0, seen by nobody). `jax.default_matmul_precision` counts in float32, as it does for "xla".

Known without a TPU: the values and gradients, interpreted, on one device and on eight that share a row; and that the
kernels compile for a v4, v5e, v5p and v6e, inside `jax.shard_map` too, but not under `jax_enable_x64`: Mosaic knows no
numbers of 64 bits. The speed is not known: the sizes of the blocks come from the compiler's count of instructions.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from ops.window_arrays import arrays_needed, differentiable, exact, pad, weighted_d_weights
from ops.window_tpu_kernels import Plan, attend_kernel, keys_kernel, queries_kernel, slots_kernel

LANES = 128  # numbers side by side in a register: blocks of tokens are whole multiples
PACKED = 16  # rows of a register of bfloat16, and a multiple of those of float32


def _forward(interpret, band, q, k, v, slot_k, slot_v, sight):
    plan = _plan(band, interpret, q, k, slot_k)
    mine, theirs, slots = _arrays(plan, q, k, v, slot_k, slot_v, sight)
    B, H, K, T = mine.q.shape
    out, lse = _call(
        plan,
        attend_kernel,
        (plan.queries, plan.steps),
        inputs=_from_queries(plan, mine, theirs, slots),
        seed=sight.seed,
        outs=[((B, H, K, T), v.dtype), ((B, H, 1, T), exact(q))],
    )
    out = _tokens_second(out, q)
    return out, (q, k, v, slot_k, slot_v, sight, out, lse)


def _backward(interpret, band, saved, d_out):
    q, k, v, slot_k, slot_v, sight, out, lse = saved
    plan = _plan(band, interpret, q, k, slot_k)
    mine, theirs, slots = _arrays(plan, q, k, v, slot_k, slot_v, sight)
    (B, H, K, T), S = mine.q.shape, theirs.k.shape[3]
    more = {"d_out": d_out.astype(q.dtype), "delta": weighted_d_weights(out, d_out)}
    mine = mine._replace(lse=lse, **_laid_out(more, T))
    (dq,) = _call(
        plan,
        queries_kernel,
        (plan.queries, plan.steps),
        inputs=_from_queries(plan, mine, theirs, slots),
        seed=sight.seed,
        outs=[((B, H, K, T), q.dtype)],
    )
    dk, dv = _call(
        plan,
        keys_kernel,
        (plan.keys, plan.over_queries.steps),
        inputs=[(mine, plan.size, plan.over_queries.block), (theirs, plan.size, _own)],
        seed=sight.seed,
        outs=[((B, H, K, S), x.dtype) for x in (k, v)],
    )
    grads = [_tokens_second(grad, x) for grad, x in ((dq, q), (dk, k), (dv, v))]
    if slots is None:
        return *grads, jnp.zeros_like(slot_k), jnp.zeros_like(slot_v), None
    d_slots = _call(
        plan,
        slots_kernel,
        (plan.slots, plan.over_all_queries.steps),
        inputs=[(mine, plan.size, plan.over_all_queries.block), (slots, plan.slot_size, _own)],
        seed=sight.seed,
        outs=[(slots.k.shape, x.dtype) for x in (slot_k, slot_v)],
    )
    return *grads, *(_tokens_second(grad, slot_k) for grad in d_slots), None


attend_by_tpu = differentiable(_forward, _backward)
"""As `window_blocks.attend_in_blocks` on a TPU; `band.block` and `band.heads` are not looked at."""


def _plan(band, interpret, q, k, slot_k):
    """Blocks of 256 tokens, or of 512 for a band of 1024 keys and more; smaller where rows are short.

    In a block of 512 a score costs 0.6 of the instructions that it costs in one of 256 (as compiled for a v5e), but
    more scores lie outside the band.
    """
    T, S, G = max(1, q.shape[1]), max(1, k.shape[1]), slot_k.shape[1]
    wide = band.before + band.after >= 1024 and q.shape[3] * q.dtype.itemsize <= 1024  # memory of the core: 16 MiB
    size = min(512 if wide else 256, max(8 if interpret else LANES, pl.next_power_of_2(max(1, T // 4))))
    slot_size = min(size, max(1, -(-G // PACKED)) * PACKED)
    queries, keys, slots = (-(-n // b) for n, b in ((T, size), (S, size), (G, slot_size)))
    return Plan(band, q.shape[3] ** -0.5, queries, keys, slots, size, slot_size, interpret)


def _arrays(plan, q, k, v, slot_k, slot_v, sight):
    """Queries, scaled, keys and slots (None: no slots), laid out and padded to whole blocks."""
    q = q * jnp.asarray(plan.scale, q.dtype)
    mine, theirs, slots = arrays_needed(plan.band, q, k, v, slot_k, slot_v, sight)
    sizes = plan.queries * plan.size, plan.keys * plan.size, plan.slots * plan.slot_size
    return [_laid_out(x, size) for x, size in zip((mine, theirs, slots), sizes, strict=True)]


def _laid_out(arrays, length):
    """[B H K S] of [B S H K], [B H 1 S] of [B H S] and [B 1 S] of [B S], with `length` tokens."""

    def lay(x):
        x = x.transpose(0, 2, 3, 1) if x.ndim == 4 else jnp.expand_dims(x, -2)
        return pad(x, {x.ndim - 1: length})

    return jax.tree.map(lay, arrays)


def _tokens_second(x, like):
    """[B S H K] of [B H K S], without the padding: as many tokens as `like` has."""
    return x.transpose(0, 3, 1, 2)[:, : like.shape[1]]


def _from_queries(plan, mine, theirs, slots):
    """What a block of queries walks over, as inputs of `_call`."""
    return [
        (mine, plan.size, _own),
        (theirs, plan.size, plan.over_keys.block),
        (slots, plan.slot_size, plan.over_slots.block),
    ]


def _own(n, j):
    return n


def _blocks(arrays, size, place):
    """One head's blocks of `size` tokens: in step `j` of block `n` that of number `place(n, j)`."""

    def spec(x):
        if len(x.shape) == 3:  # [B 1 S], the same for all heads
            return pl.BlockSpec((None, 1, size), lambda b, h, n, j: (b, 0, place(n, j)))
        return pl.BlockSpec((None, None, x.shape[2], size), lambda b, h, n, j: (b, h, 0, place(n, j)))

    return jax.tree.map(spec, arrays)


def _call(plan, kernel, grid, *, inputs, seed, outs):
    """Run `kernel` for `grid`: blocks of the outputs (shape, type), and steps of each.

    `inputs` are the arguments of `_blocks`. Beside each output's block the kernel gets as much memory to sum up in.
    """
    outs = [jax.ShapeDtypeStruct(*out) for out in outs]
    (B, H, _, length), (blocks, steps) = outs[0].shape, grid
    size = length // blocks
    return pl.pallas_call(
        partial(kernel, plan),
        grid=(B, H, blocks, steps),
        in_specs=[*(_blocks(*x) for x in inputs), None if seed is None else pl.BlockSpec(memory_space=pltpu.SMEM)],
        out_specs=_blocks(outs, size, _own),
        out_shape=outs,
        scratch_shapes=[pltpu.VMEM((out.shape[2], size), exact(out)) for out in outs],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel",) * 3 + ("arbitrary",)),
        interpret=plan.interpret,
        name=kernel.__name__,
    )(*(x for x, _, _ in inputs), seed)
