"""The Transformer: every token sees every other, or in a causal one those before it."""

from flax import nnx
from jax import Array
from jaxtyping import Bool, Int

from models.attention import FullView, SelfAttention
from models.config import TransformerConfig
from models.embeddings import place_ids
from models.outputs import EncoderOutput
from models.stack import Encoder, real_tokens, visible_groups
from ops.masks import causal_mask, padding_mask, segment_mask

# Tokens. Up to here one product for all pairs is as fast as blocks of queries, and simpler for a compiler; on a CPU at
# 2,048 blocks took half the time. Beyond, the pairs' memory would be the largest of a training step.
LONGEST_MASKED_ROW = 512


class Transformer(Encoder):
    """A stack with full attention: time grows with the square of the length.

    Rows of more than 512 tokens are attended in blocks of queries, so memory grows with the length alone.

    Source: Vaswani et al. 2017, section 3; Devlin et al. 2019, section 3.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(cfg, lambda _, rngs: SelfAttention(cfg, rngs=rngs), rngs=rngs)

    def __call__(
        self,
        input_ids: Int[Array, "B S"],
        *,
        attention_mask: Int[Array, "B S"] | None = None,
        token_type_ids: Int[Array, "B S"] | None = None,
        position_ids: Int[Array, "#B S"] | None = None,
        segment_ids: Int[Array, "B S"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> EncoderOutput:
        """`attention_mask` is 1 at real tokens. `segment_ids` number the documents packed in a row, 0 for padding, and
        no token sees another document. Without `rngs` nothing is dropped out.

        Raises:
          InputError: while tracing, for a row longer than a learned position table, or token types that the net lacks.
        """
        places = place_ids(self.cfg, input_ids, position_ids, real=real_tokens(attention_mask, segment_ids))
        long = input_ids.shape[1] > LONGEST_MASKED_ROW
        view = FullView(
            mask=None if long else visible_pairs(input_ids, attention_mask, segment_ids, causal=self.cfg.causal),
            groups=visible_groups(input_ids, attention_mask, segment_ids) if long else None,
            places=places if self.cfg.positions == "rotary" else None,
        )
        return EncoderOutput(self.encode(input_ids, places, token_type_ids, view, rngs))


def visible_pairs(
    input_ids: Int[Array, "B S"],
    attention_mask: Int[Array, "B S"] | None,
    segment_ids: Int[Array, "B S"] | None,
    *,
    causal: bool,
) -> Bool[Array, "#B #T S"] | None:
    """The smallest mask that says it: none, one row of keys, or all pairs."""
    before = causal_mask(input_ids.shape[1]) if causal else None
    if segment_ids is not None:
        seen = segment_mask(visible_groups(input_ids, attention_mask, segment_ids))
    elif attention_mask is not None:
        seen = padding_mask(attention_mask != 0)
    else:
        return before
    return seen if before is None else seen & before
