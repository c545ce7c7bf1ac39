"""Two texts, each read by itself by the same encoder, and compared by their vectors."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, Int

from errors import InputError
from models.config import TransformerConfig
from models.heads import pooled
from models.layers import dense
from models.outputs import MatchOutput
from models.stack import Encoder

INTERACTIONS = ("none", "nli")


class MatchingHead(nnx.Module):
    """`output(relu(second(relu(first(x)))))`, from the vectors a and b of two texts; float32 logits.

    x is [a, b]; with the `nli` interaction [a, b, a * b, a - b]. The hidden sizes are the net's `mlp_width` and half of
    it.

    Source: Tay et al. 2020, code (classifier_head_dual).
    """

    def __init__(self, cfg: TransformerConfig, *, classes: int, interaction: str, rngs: nnx.Rngs):
        if interaction not in INTERACTIONS:
            raise InputError(f"model.interaction={interaction!r} is not one of {', '.join(INTERACTIONS)}")
        vectors = 4 if interaction == "nli" else 2
        self.first = dense(cfg, vectors * cfg.width, cfg.mlp_width, rngs=rngs, use_bias=True)
        self.second = dense(cfg, cfg.mlp_width, cfg.mlp_width // 2, rngs=rngs, use_bias=True)
        self.output = dense(cfg, cfg.mlp_width // 2, classes, rngs=rngs, use_bias=True)
        self.interaction = interaction

    def __call__(self, a: Float[Array, "B D"], b: Float[Array, "B D"]) -> Float[Array, "B C"]:
        compared = [a * b, a - b] if self.interaction == "nli" else []
        x = jax.nn.relu(self.first(jnp.concatenate([a, b, *compared], axis=-1)))
        return self.output(jax.nn.relu(self.second(x))).astype(jnp.float32)


class DualEncoder(nnx.Module):
    """Tells one of `classes` of a pair of texts, neither of which is read with a view of the other.

    `pooling` is as in `models.heads.SequenceClassifier`.
    """

    def __init__(
        self, encoder: Encoder, *, classes: int, pooling: str = "first", interaction: str = "none", rngs: nnx.Rngs
    ):
        self.encoder = encoder
        self.head = MatchingHead(encoder.cfg, classes=classes, interaction=interaction, rngs=rngs)
        self.pooling = pooling

    def __call__(
        self,
        input_ids: Int[Array, "B 2 S"],
        *,
        attention_mask: Int[Array, "B 2 S"] | None = None,
        rngs: nnx.Rngs | None = None,
        **inputs: Array | None,
    ) -> MatchOutput:
        """The rest of `inputs` is the encoder's, with both texts too: [B 2 ...]."""

        def rows(x: Array | None) -> Array | None:
            return None if x is None else x.reshape(-1, *x.shape[2:])

        mask = rows(attention_mask)
        more = {name: rows(x) for name, x in inputs.items()}
        found = self.encoder(rows(input_ids), attention_mask=mask, rngs=rngs, **more).last_hidden_state  # [2B S D]
        vectors = pooled(found, mask, self.pooling).reshape(len(input_ids), 2, -1)
        return MatchOutput(self.head(vectors[:, 0], vectors[:, 1]), vectors)
