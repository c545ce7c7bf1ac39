"""The matrix products of a training step of our Longformer with nothing between them, for worker.py.

Shapes, types and forms are those of the model. What it does around its products (softmax, norms, GELU, masks, sums) is
left out, and so are the few products of the global token. A product takes what an earlier one gave, and whatever no
later one takes is returned, so that none can be merged with another, moved ahead, or dropped.
"""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import dynamic_slice, dynamic_update_slice

from experiments.speed.cases import DEPTH, HEADS, MLP_WIDTH, WIDTH, WINDOW, Case
from experiments.speed.ours import matrix_product
from models.attention import join_heads, split_heads
from models.cost import TRAINING
from ops.window_blocks import Band, heads_in_a_block

BLOCK = 128  # queries: the default of `sliding_window_attention`
IN_A_BLOCK = 7  # forward 2; backward 5, the first of them the scores once more
MAPS = {
    "query": (WIDTH, WIDTH),
    "key": (WIDTH, WIDTH),
    "value": (WIDTH, WIDTH),
    "output": (WIDTH, WIDTH),
    "up": (WIDTH, MLP_WIDTH),
    "down": (MLP_WIDTH, WIDTH),
}


def band(case: Case) -> Band:
    """What `sliding_window_attention` hands to the loop over blocks."""
    width = min(WINDOW, case.length)
    return Band(width, width, BLOCK, heads_in_a_block(case.batch, HEADS))


def dense_flops(case: Case) -> int:
    """Operations of the maps: each product and the two of its gradients."""
    return TRAINING * 2 * case.batch * case.length * DEPTH * sum(rows * columns for rows, columns in MAPS.values())


def block_flops(case: Case) -> int:
    """Operations of the attention's blocks."""
    blocks, rows, span = band(case).sizes(case.length, case.length)
    return IN_A_BLOCK * 2 * case.batch * DEPTH * blocks * rows * span * WIDTH


def product_flops(case: Case) -> int:
    """More than `ours.step_flops` by the scores made anew and the corners of the blocks; less by the global token."""
    return dense_flops(case) + block_flops(case)


class Products:
    """Built once; each call of `step` does all products."""

    parameters = len(MAPS) * DEPTH  # matrices; compared with nothing

    def __init__(self, case: Case, peer: str):
        del peer
        random = np.random.default_rng(0)
        weights = [{name: 0.02 * random.standard_normal(shape) for name, shape in MAPS.items()} for _ in range(DEPTH)]
        x = random.standard_normal((case.batch, case.length, WIDTH))
        self.inputs = jax.tree.map(lambda a: jax.device_put(a.astype(np.float32)), (weights, x))
        self.program = jax.jit(partial(products, band(case)))
        self.matmul = matrix_product()

    def step(self):
        return jax.block_until_ready(self.program(*self.inputs))

    def finite(self) -> bool:
        return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(self.step()))


def products(band: Band, weights: list[dict[str, Array]], x: Array) -> tuple[Array, ...]:
    """Forward and backward through all layers; the last output serves as the gradient that arrives there."""
    pulls, left = [], []
    for layer in weights:
        x, pull = _layer(band, layer, x)
        pulls.append(pull)
    for pull in reversed(pulls):
        x, *gradients = pull(x)
        left.extend(gradients)
    return x, *left


def _layer(band: Band, layer: dict[str, Array], x: Array) -> tuple[Array, Callable[[Array], Iterator[Array]]]:
    (q, pull_query), (k, pull_key), (v, pull_value) = (
        jax.vjp(jnp.matmul, x, layer[name]) for name in ("query", "key", "value")
    )
    q, k, v = (split_heads(each, HEADS) for each in (q, k, v))
    x, pull_output = jax.vjp(jnp.matmul, join_heads(_attend(band, q, k, v)), layer["output"])
    x, pull_up = jax.vjp(jnp.matmul, x, layer["up"])
    x, pull_down = jax.vjp(jnp.matmul, x, layer["down"])

    def pull(up: Array) -> Iterator[Array]:
        up, d_down = pull_down(up)
        up, d_up = pull_up(up)
        up, d_output = pull_output(up)
        dq, dk, dv = (join_heads(each) for each in _attend_backward(band, q, k, v, split_heads(up, HEADS)))
        # The model adds up what the three maps say of their input; here one goes down and two are left.
        return *pull_query(dq), *pull_key(dk), *pull_value(dv), d_output, d_up, d_down

    return x, pull


def _attend(band: Band, q: Array, k: Array, v: Array) -> Array:
    def step(n, out):
        mine, theirs = _places(band, n, q.shape[1])
        queries, keys, values = _take(band, q, mine), _take(band, k, theirs), _take(band, v, theirs)
        scores = jnp.einsum("bhsk,bhtk->bhst", keys, queries)
        return _put(out, jnp.einsum("bhsk,bhst->bhkt", values, scores).swapaxes(2, 3), mine)

    return jax.lax.fori_loop(0, _steps(band, q), step, jnp.zeros_like(q))


def _attend_backward(band: Band, q: Array, k: Array, v: Array, up: Array) -> tuple[Array, ...]:
    def step(n, gradients):
        dq, dk, dv = gradients
        mine, theirs = _places(band, n, q.shape[1])
        queries, above = _take(band, q, mine), _take(band, up, mine)
        keys, values = _take(band, k, theirs), _take(band, v, theirs)
        scores = jnp.einsum("bhsk,bhtk->bhst", keys, queries)
        d_scores = jnp.einsum("bhsk,bhtk->bhst", values, above)
        dv = _put(dv, jnp.einsum("bhst,bhtk->bhsk", scores, above), theirs)
        dk = _put(dk, jnp.einsum("bhst,bhtk->bhsk", d_scores, queries), theirs)
        return _put(dq, jnp.einsum("bhsk,bhst->bhkt", keys, d_scores).swapaxes(2, 3), mine), dk, dv

    return jax.lax.fori_loop(0, _steps(band, q), step, (jnp.zeros_like(q),) * 3)


def _steps(band: Band, q: Array) -> int:
    return band.sizes(q.shape[1], q.shape[1])[0] * (HEADS // band.heads)


def _places(band: Band, n: Array, length: int) -> tuple[tuple, tuple]:
    """First head, first row and rows of a block of queries, and of the keys that it spans."""
    blocks, rows, span = band.sizes(length, length)
    head, query = n // blocks * band.heads, jnp.minimum(n % blocks * rows, length - rows)
    return (head, query, rows), (head, jnp.clip(query - band.before, 0, length - span), span)


def _take(band: Band, x: Array, place: tuple) -> Array:
    """A block of x [B S H K] as [B H S K]."""
    head, first, rows = place
    return dynamic_slice(x, (0, first, head, 0), (x.shape[0], rows, band.heads, x.shape[3])).swapaxes(1, 2)


def _put(x: Array, block: Array, place: tuple) -> Array:
    """x [B S H K] with `block` [B H S K] written there, over what neighbours have written."""
    head, first, _ = place
    return dynamic_update_slice(x, block.swapaxes(1, 2), (0, first, head, 0))
