"""The alternating encoder of ModernBERT: some layers see everything, the others their neighbours."""

from flax import nnx
from jax import Array
from jaxtyping import Int

from models.attention import FullView, SelfAttention
from models.config import AlternatingConfig
from models.stack import Encoder, visible_groups
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

    def view(
        self,
        input_ids: Int[Array, "B S"],
        attention_mask: Int[Array, "B S"] | None,
        segment_ids: Int[Array, "B S"] | None,
        places: Int[Array, "B S"] | None,
    ) -> FullView:
        return FullView(groups=visible_groups(input_ids, attention_mask, segment_ids), places=places)
