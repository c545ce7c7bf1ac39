"""What stands on an encoder."""

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, Int

from errors import InputError
from models.config import TransformerConfig
from models.layers import LayerNorm, dense, split_key
from models.outputs import (
    ClassifierOutput,
    MaskedLMFactors,
    MaskedLMOutput,
    PooledOutput,
    SpanOutput,
    TokenClassifierOutput,
)
from models.stack import Encoder
from ops.activations import gelu
from ops.dropout import dropout


class MaskedLMHead(nnx.Module):
    """`norm(gelu(dense(x)))`, then the token table as the last matrix, with a bias of its own.

    The table is lent with the call: an attribute here would be a second name for the encoder's parameter.

    Source: Devlin et al. 2019, appendix A.2 and code; Liu et al. 2019, code (the same head).
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.dense = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.norm = LayerNorm(cfg)
        self.bias = nnx.Param(jnp.zeros(cfg.vocab_size, jnp.float32))

    def __call__(self, x: Float[Array, "B P D"], embeddings: nnx.Module) -> Float[Array, "B P V"]:
        return embeddings.attend(self.transform(x)) + self.bias[...][None, None]

    def transform(self, x: Float[Array, "B P D"]) -> Float[Array, "B P D"]:
        return self.norm(gelu(self.dense(x)))


class MaskedLM(nnx.Module):
    """An encoder that fills in blanks."""

    def __init__(self, encoder: Encoder, *, rngs: nnx.Rngs):
        self.encoder = encoder
        self.head = MaskedLMHead(encoder.cfg, rngs=rngs)

    def __call__(
        self,
        input_ids: Int[Array, "B S"],
        *,
        predict_positions: Int[Array, "B P"] | None = None,
        rngs: nnx.Rngs | None = None,
        **inputs: Array | None,
    ) -> MaskedLMOutput:
        """Logits at `predict_positions` alone, or at all tokens; the rest of `inputs` is the encoder's.

        Logits are the largest array of a training step: at 15% of the places they cost 15%.
        """
        x = self.encoder(input_ids, rngs=rngs, **inputs).last_hidden_state
        asked = _at(x, predict_positions)
        return MaskedLMOutput(logits=self.head(asked, self.encoder.embeddings), last_hidden_state=x)

    def factors(
        self,
        input_ids: Int[Array, "B S"],
        *,
        predict_positions: Int[Array, "B P"] | None = None,
        rngs: nnx.Rngs | None = None,
        **inputs: Array | None,
    ) -> MaskedLMFactors:
        """What the logits are products of: for a loss that never holds all of them (`ops.losses.chunked_sums`)."""
        x = self.encoder(input_ids, rngs=rngs, **inputs).last_hidden_state
        x = self.head.transform(_at(x, predict_positions))
        return MaskedLMFactors(x, self.encoder.embeddings.word.embedding[...], self.head.bias[...])


def _at(x: Float[Array, "B S D"], positions: Int[Array, "B P"] | None) -> Float[Array, "B P D"]:
    return x if positions is None else jnp.take_along_axis(x, positions[:, :, None], axis=1)


class ClassificationHead(nnx.Module):
    """`output(dropout(tanh(pool(dropout(x)))))` over the first token's vector; float32 logits.

    No parameter has the path of one of the masked-LM head's, so that none is taken from there by mistake.

    Source: Liu et al. 2019, code (RobertaClassificationHead).
    """

    def __init__(self, cfg: TransformerConfig, *, classes: int, dropout_rate: float, rngs: nnx.Rngs):
        self.pool = dense(cfg, cfg.width, cfg.width, rngs=rngs)
        self.output = dense(cfg, cfg.width, classes, rngs=rngs)
        self.rate = dropout_rate

    def __call__(self, x: Float[Array, "B D"], key: Array | None = None) -> Float[Array, "B C"]:
        before, after = split_key(key, 2)
        x = jnp.tanh(self.pool(dropout(x, self.rate, before)))
        return self.output(dropout(x, self.rate, after)).astype(jnp.float32)


class SequenceClassifier(nnx.Module):
    """An encoder that tells one of `classes`, from the first token."""

    def __init__(self, encoder: Encoder, *, classes: int, dropout_rate: float, rngs: nnx.Rngs):
        if classes < 2:
            raise InputError(f"classes must be at least 2, got {classes}")
        self.encoder = encoder
        self.head = ClassificationHead(encoder.cfg, classes=classes, dropout_rate=dropout_rate, rngs=rngs)

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | None
    ) -> ClassifierOutput:
        x = self.encoder(input_ids, rngs=rngs, **inputs).last_hidden_state
        logits = self.head(x[:, 0], None if rngs is None else rngs.dropout())
        return ClassifierOutput(logits=logits, last_hidden_state=x)


class Pooler(nnx.Module):
    """`tanh(pool(x))` of the first token's vector.

    Source: Devlin et al. 2019, code (BertModel's pooler).
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.pool = dense(cfg, cfg.width, cfg.width, rngs=rngs)

    def __call__(self, x: Float[Array, "B D"]) -> Float[Array, "B D"]:
        return jnp.tanh(self.pool(x))


class Pooled(nnx.Module):
    """An encoder and a vector for the whole row: what BERT's authors publish."""

    def __init__(self, encoder: Encoder, *, rngs: nnx.Rngs):
        self.encoder = encoder
        self.head = Pooler(encoder.cfg, rngs=rngs)

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | None
    ) -> PooledOutput:
        x = self.encoder(input_ids, rngs=rngs, **inputs).last_hidden_state
        return PooledOutput(x, self.head(x[:, 0]))


class TokenClassifier(nnx.Module):
    """An encoder that tells one of `classes` for each token: `output(dropout(x))`."""

    def __init__(self, encoder: Encoder, *, classes: int, dropout_rate: float, rngs: nnx.Rngs):
        self.encoder = encoder
        self.output = dense(encoder.cfg, encoder.cfg.width, classes, rngs=rngs)
        self.rate = dropout_rate

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | None
    ) -> TokenClassifierOutput:
        x = self.encoder(input_ids, rngs=rngs, **inputs).last_hidden_state
        kept = dropout(x, self.rate, None if rngs is None else rngs.dropout())
        return TokenClassifierOutput(logits=self.output(kept).astype(jnp.float32), last_hidden_state=x)


class SpanFinder(nnx.Module):
    """An encoder that tells where an answer begins and ends: two logits for each token.

    Source: Devlin et al. 2019, section 4.2.
    """

    def __init__(self, encoder: Encoder, *, rngs: nnx.Rngs):
        self.encoder = encoder
        self.output = dense(encoder.cfg, encoder.cfg.width, 2, rngs=rngs)

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | None
    ) -> SpanOutput:
        x = self.encoder(input_ids, rngs=rngs, **inputs).last_hidden_state
        logits = self.output(x).astype(jnp.float32)
        return SpanOutput(logits[..., 0], logits[..., 1], last_hidden_state=x)
