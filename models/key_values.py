"""What attention keeps of tokens that are there already, for those that come after them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from models.config import TransformerConfig
from ops.attention import attention_by_heads, dot_product_attention


class KeyValues(NamedTuple):
    """The keys and values of C tokens. Heads stand before tokens, so that no step turns them around for its products.

    What steps write to or read again is `joined` where JAX computes on a processor: rows and heads are one axis of
    N = B * H. XLA for CPUs takes a change of shape together with the write, once for the product and once for the loop,
    and then copies both arrays whole in each step. Elsewhere the axes stay apart, for devices to share out.
    """

    k: Float[Array, "*L B H C K"] | Float[Array, "*L N C K"]
    v: Float[Array, "*L B H C K"] | Float[Array, "*L N C K"]

    @classmethod
    def of(cls, k: Float[Array, "B S H K"], v: Float[Array, "B S H K"]) -> "KeyValues":
        return cls(k.swapaxes(1, 2), v.swapaxes(1, 2))

    @classmethod
    def empty(cls, batch: int, capacity: int, cfg: TransformerConfig) -> "KeyValues":
        room = jnp.zeros((batch, cfg.heads, capacity, cfg.head_width), cfg.compute_dtype)
        return cls(room, room).for_steps()

    def for_steps(self) -> "KeyValues":
        if jax.default_backend() != "cpu":
            return self
        return KeyValues(*(x.reshape(-1, *x.shape[-2:]) for x in self))

    @property
    def joined(self) -> bool:
        """Of one layer."""
        return self.k.ndim == 3

    def with_next(self, k: Float[Array, "B T H K"], v: Float[Array, "B T H K"], slot: Int[Array, ""]) -> "KeyValues":
        """With T more tokens, from `slot` on."""

        def written(old: Array, new: Array) -> Array:
            new = new.astype(old.dtype).reshape(*old.shape[:-2], -1, old.shape[-1])
            return jax.lax.dynamic_update_slice_in_dim(old, new, slot, old.ndim - 2)

        return KeyValues(*map(written, self, KeyValues.of(k, v)))

    def seen_by(
        self,
        q: Float[Array, "B T H K"],
        *,
        mask: Bool[Array, "#B #T C"] | None,
        scale: float | None,
        bias: Float[Array, "1 H T C"] | None = None,
        dropout_rate: float = 0.0,
        dropout_key: Array | None = None,
    ) -> Float[Array, "B T H K"]:
        """`dot_product_attention` of these queries. Steps drop nothing out, and so what is joined does not."""
        how = {"mask": mask, "bias": bias, "scale": scale}
        if self.joined:
            return attention_by_heads(q, self.k, self.v, **how)
        turned = self.k.swapaxes(1, 2), self.v.swapaxes(1, 2)
        return dot_product_attention(q, *turned, **how, dropout_rate=dropout_rate, dropout_key=dropout_key)
