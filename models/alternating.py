"""The alternating encoder of ModernBERT: some layers see everything, the others their neighbours."""

from flax import nnx
from jax import Array
from jaxtyping import Int

from models.attention import FullView, SelfAttention
from models.config import AlternatingConfig
from models.embeddings import place_ids
from models.outputs import EncoderOutput, Request
from models.stack import Encoder, real_tokens, visible_groups
from models.window_attention import WindowSelfAttention
from ops.window import Window


class Alternating(Encoder):
    """An encoder whose layers see windows, but for a few that see all: most of the work grows with the length alone.

    Source: Warner et al. 2024, section 2.1.
    """

    head = "transform"

    def __init__(self, cfg: AlternatingConfig, *, rngs: nnx.Rngs):
        def attention(number: int, rngs: nnx.Rngs) -> nnx.Module:
            width = cfg.windows[number]
            if not width:
                return SelfAttention(cfg, rngs=rngs)
            return WindowSelfAttention(cfg, Window(width, causal=cfg.causal), rngs=rngs)

        super().__init__(cfg, attention, rngs=rngs)

    def __call__(
        self,
        input_ids: Int[Array, "B S"],
        *,
        attention_mask: Int[Array, "B S"] | None = None,
        token_type_ids: Int[Array, "B S"] | None = None,
        position_ids: Int[Array, "#B S"] | None = None,
        segment_ids: Int[Array, "B S"] | None = None,
        rngs: nnx.Rngs | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> EncoderOutput:
        """As `Transformer`."""
        places = place_ids(self.cfg, input_ids, position_ids, real=real_tokens(attention_mask, segment_ids))
        groups = visible_groups(input_ids, attention_mask, segment_ids)
        view = FullView(groups=groups, places=places if self.cfg.positions == "rotary" else None)
        request = Request(output_hidden_states, output_attentions)
        return self.encode(input_ids, places, token_type_ids, view, rngs, request)
