"""What stands on an encoder."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, Int

from errors import InputError
from models.config import TransformerConfig
from models.layers import dense, norm, split_key
from models.mlp import ungated
from models.outputs import (
    ClassifierOutput,
    EncoderOutput,
    LogitFactors,
    MaskedLMOutput,
    PooledOutput,
    SpanOutput,
    TokenClassifierOutput,
)
from models.stack import Encoder
from ops.dropout import dropout


class Transform(nnx.Module):
    """`norm(f(dense(x)))`, f being the net's activation; from the net's width to that of its tables or another.

    Source: Devlin et al. 2019, appendix A.2 and code; Liu et al. 2019, code (the same).
    """

    def __init__(self, cfg: TransformerConfig, *, width: int = 0, rngs: nnx.Rngs):
        self.dense = dense(cfg, cfg.width, width or cfg.table_width, rngs=rngs)
        self.norm = norm(cfg, width or cfg.table_width)
        self.function = ungated(cfg)

    def transform(self, x: Float[Array, "*N D"]) -> Float[Array, "*N E"]:
        return self.norm(self.function(self.dense(x)))


class MaskedLMHead(Transform):
    """A `Transform`, then the token table as the last matrix, with a bias of its own.

    The table is lent with the call: an attribute here would be a second name for the encoder's parameter.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(cfg, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros(cfg.vocab_size, jnp.float32))

    def __call__(self, x: Float[Array, "B P D"], embeddings: nnx.Module) -> Float[Array, "B P V"]:
        return embeddings.attend(self.transform(x)) + self.bias[...][None, None]


class Headless(nnx.Module):
    """An encoder alone."""

    def __init__(self, encoder: Encoder, *, rngs: nnx.Rngs):
        self.encoder = encoder

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | bool | None
    ) -> EncoderOutput:
        return self.encoder(input_ids, rngs=rngs, **inputs)


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
        **inputs: Array | bool | None,
    ) -> MaskedLMOutput:
        """Logits at `predict_positions` alone, or at all tokens; the rest of `inputs` is the encoder's.

        Logits are the largest array of a training step: at 15% of the places they cost 15%.
        """
        found = self.encoder(input_ids, rngs=rngs, **inputs)
        asked = _at(found.last_hidden_state, predict_positions)
        return MaskedLMOutput(self.head(asked, self.encoder.embeddings), *found)

    def factors(
        self,
        input_ids: Int[Array, "B S"],
        *,
        predict_positions: Int[Array, "B P"] | None = None,
        rngs: nnx.Rngs | None = None,
        **inputs: Array | None,
    ) -> LogitFactors:
        """What the logits are products of: for a loss that never holds all of them (`ops.losses.chunked_sums`)."""
        x = self.encoder(input_ids, rngs=rngs, **inputs).last_hidden_state
        x = self.head.transform(_at(x, predict_positions))
        return LogitFactors(x, self.encoder.embeddings.word.embedding[...], self.head.bias[...])


def _at(x: Float[Array, "B S D"], positions: Int[Array, "B P"] | None) -> Float[Array, "B P D"]:
    return x if positions is None else jnp.take_along_axis(x, positions[:, :, None], axis=1)


KINDS = ("tanh", "relu", "transform", "plain")


class ClassificationHead(nnx.Module):
    """`output(dropout(tanh(pool(dropout(x)))))` over one vector; float32 logits.

    That is RoBERTa's; `kind` "relu" is DistilBERT's, "transform" ModernBERT's (a `Transform` for tanh and pool), and
    "plain" GPT-2's: the last map alone, without a bias. No parameter has the path of one of the masked-LM head's, so
    that none is taken from there by mistake.

    Source: Liu et al. 2019, code (RobertaClassificationHead); Sanh et al. 2019 and Warner et al. 2024, code.
    """

    def __init__(self, cfg: TransformerConfig, *, classes: int, dropout_rate: float, kind: str, rngs: nnx.Rngs):
        if kind not in KINDS:
            raise InputError(f"classifier must be one of {', '.join(KINDS)}, got {kind!r}")
        match kind:
            case "tanh" | "relu":
                self.pool = dense(cfg, cfg.width, cfg.width, rngs=rngs, use_bias=True)
            case "transform":
                self.hidden = Transform(cfg, width=cfg.width, rngs=rngs)
            case "plain":
                dropout_rate = 0.0
        self.output = dense(cfg, cfg.width, classes, rngs=rngs, use_bias=kind != "plain")
        self.rate = dropout_rate
        self.kind = kind

    def __call__(self, x: Float[Array, "B D"], key: Array | None = None) -> Float[Array, "B C"]:
        before, after = split_key(key, 2)
        x = self._hidden(dropout(x, self.rate, before))
        return self.output(dropout(x, self.rate, after)).astype(jnp.float32)

    def _hidden(self, x: Float[Array, "B D"]) -> Float[Array, "B D"]:
        match self.kind:
            case "tanh":
                return jnp.tanh(self.pool(x))
            case "relu":
                return jax.nn.relu(self.pool(x))
            case "transform":
                return self.hidden.transform(x)
        return x


class SequenceClassifier(nnx.Module):
    """An encoder that tells one of `classes`, from the vector of the `first` place of the row, of its `last` real
    token, or the `mean` of all real ones. The `kind` of head is the encoder's, where it is left out.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        classes: int,
        dropout_rate: float,
        pooling: str = "first",
        kind: str = "",
        rngs: nnx.Rngs,
    ):
        if classes < 1:
            raise InputError(f"classes must be at least 1, got {classes}")
        self.encoder = encoder
        how = {"classes": classes, "dropout_rate": dropout_rate, "kind": kind or encoder.head}
        self.head = ClassificationHead(encoder.cfg, **how, rngs=rngs)
        self.pooling = pooling

    def __call__(
        self,
        input_ids: Int[Array, "B S"],
        *,
        attention_mask: Int[Array, "B S"] | None = None,
        rngs: nnx.Rngs | None = None,
        **inputs: Array | bool | None,
    ) -> ClassifierOutput:
        found = self.encoder(input_ids, attention_mask=attention_mask, rngs=rngs, **inputs)
        x = pooled(found.last_hidden_state, attention_mask, self.pooling)
        return ClassifierOutput(self.head(x, None if rngs is None else rngs.dropout()), *found)


def pooled(x: Float[Array, "B S D"], attention_mask: Int[Array, "B S"] | None, pooling: str) -> Float[Array, "B D"]:
    """One vector for each row: of its `first` place, its `last` real token, or the `mean` of the real ones.

    Places are counted in whole numbers and means taken in float32: bfloat16 knows no odd number above 256.
    """
    if pooling == "first":
        return x[:, 0]
    real = jnp.ones(x.shape[:2], bool) if attention_mask is None else attention_mask != 0
    if pooling == "mean":
        exact = jnp.promote_types(x.dtype, jnp.float32)
        total = x.sum(1, dtype=exact, where=real[:, :, None])
        return (total / jnp.maximum(real.sum(1, keepdims=True), 1)).astype(x.dtype)
    last = jnp.where(real, jnp.arange(x.shape[1])[None], 0).argmax(1)
    return jnp.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


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
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | bool | None
    ) -> PooledOutput:
        found = self.encoder(input_ids, rngs=rngs, **inputs)
        return PooledOutput(self.head(found.last_hidden_state[:, 0]), *found)


class TokenClassifier(nnx.Module):
    """An encoder that tells one of `classes` for each token: `output(dropout(x))`; ModernBERT's transforms x before."""

    def __init__(self, encoder: Encoder, *, classes: int, dropout_rate: float, rngs: nnx.Rngs):
        self.encoder = encoder
        if encoder.head == "transform":
            self.hidden = Transform(encoder.cfg, width=encoder.cfg.width, rngs=rngs)
        self.output = dense(encoder.cfg, encoder.cfg.width, classes, rngs=rngs, use_bias=True)
        self.rate = dropout_rate

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | bool | None
    ) -> TokenClassifierOutput:
        found = self.encoder(input_ids, rngs=rngs, **inputs)
        return TokenClassifierOutput(self.logits(found.last_hidden_state, rngs), *found)

    def logits(self, x: Float[Array, "B S D"], rngs: nnx.Rngs | None) -> Float[Array, "B S C"]:
        x = self.hidden.transform(x) if hasattr(self, "hidden") else x
        kept = dropout(x, self.rate, None if rngs is None else rngs.dropout())
        return self.output(kept).astype(jnp.float32)


class SpanFinder(TokenClassifier):
    """An encoder that tells where an answer begins and ends: two logits for each token.

    Source: Devlin et al. 2019, section 4.2.
    """

    def __init__(self, encoder: Encoder, *, dropout_rate: float = 0.0, rngs: nnx.Rngs):
        super().__init__(encoder, classes=2, dropout_rate=dropout_rate, rngs=rngs)

    def __call__(
        self, input_ids: Int[Array, "B S"], *, rngs: nnx.Rngs | None = None, **inputs: Array | bool | None
    ) -> SpanOutput:
        found = self.encoder(input_ids, rngs=rngs, **inputs)
        logits = self.logits(found.last_hidden_state, rngs)
        return SpanOutput(logits[..., 0], logits[..., 1], *found)
