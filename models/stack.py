"""What every encoder shares: embeddings, then blocks, then in pre-norm nets a last norm."""

from abc import abstractmethod
from typing import Any

from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from models.block import Block
from models.config import TransformerConfig
from models.depth import Make, Ran, in_order, make_layers, run_layers
from models.embeddings import Embeddings, place_ids
from models.layers import norm, split_key
from models.outputs import EncoderOutput, Request
from ops.masks import token_groups


class Encoder(nnx.Module):
    """A stack of blocks; a net says what stands in each for attention, by the layer's number, and in `view` what tokens
    may see.

    It holds parameters only: dropout keys arrive with the call, so the net splits and merges as a plain tree.
    `head` is what its family has under a classifier's last map (models/heads.py).
    """

    head = "tanh"

    def __init__(self, cfg: TransformerConfig, make_attention: Make, *, rngs: nnx.Rngs):
        self.cfg = cfg
        self.embeddings = Embeddings(cfg, rngs=rngs)
        self.layers = make_layers(
            lambda number, rngs: Block(cfg, make_attention(number, rngs), first=number == 0, rngs=rngs), cfg, rngs=rngs
        )
        if cfg.norm == "pre":
            self.final_norm = norm(cfg)

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
        **chosen: Int[Array, "B S"] | None,
    ) -> EncoderOutput:
        """`attention_mask` is 1 at real tokens. `segment_ids` number the documents packed in a row, 0 for padding, and
        no token sees another document. Without `rngs` nothing is dropped out. `chosen`: what else the net's `view`
        asks, as the Longformer's for a `global_attention_mask`.

        Raises:
          InputError: while tracing, for a row longer than a learned position table, or token types that the net lacks.
        """
        cfg, request = self.cfg, Request(output_hidden_states, output_attentions)
        places = place_ids(cfg, input_ids, position_ids, real=real_tokens(attention_mask, segment_ids))
        turned = places if cfg.positions == "rotary" else None
        view = self.view(input_ids, attention_mask, segment_ids, turned, **chosen)
        in_embeddings, in_layers = split_key(None if rngs is None else rngs.dropout(), 2)
        x = self.embeddings(input_ids, places, token_type_ids, in_embeddings)
        ran = run_layers(self.layers, x, view, in_layers, cfg=cfg, keep_inputs=any(request))
        x = self.finished(ran.x)
        return EncoderOutput(x, *self.asked(ran, x, view, request))

    @abstractmethod
    def view(
        self,
        input_ids: Int[Array, "B S"],
        attention_mask: Int[Array, "B S"] | None,
        segment_ids: Int[Array, "B S"] | None,
        places: Int[Array, "B S"] | None,
    ) -> Any:
        """What tokens may see, for each layer's attention; `places` are those of rotary positions."""

    def finished(self, x: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
        return self.final_norm(x) if self.cfg.norm == "pre" else x

    def asked(self, ran: Ran, x: Float[Array, "B S D"], view: Any, request: Request) -> tuple[Any, Any]:
        """Hidden states and attentions, or None for each."""
        states = (*ran.inputs, x) if request.hidden_states else None
        if not request.attentions:
            return states, None
        layers = in_order(self.layers, self.cfg)
        return states, tuple(layer.maps(given, view) for layer, given in zip(layers, ran.inputs, strict=True))


def visible_groups(
    input_ids: Int[Array, "B S"], attention_mask: Int[Array, "B S"] | None, segment_ids: Int[Array, "B S"] | None
) -> Int[Array, "B S"]:
    """One number per token: 0 hides it; tokens with equal numbers may see each other."""
    real = None if attention_mask is None else attention_mask != 0
    return token_groups(input_ids.shape, real=real, segment_ids=segment_ids)


def real_tokens(
    attention_mask: Int[Array, "B S"] | None, segment_ids: Int[Array, "B S"] | None
) -> Bool[Array, "B S"] | None:
    """Which are no padding; None: all."""
    if attention_mask is None or segment_ids is None:
        told = attention_mask if segment_ids is None else segment_ids
        return None if told is None else told != 0
    return (attention_mask != 0) & (segment_ids != 0)
