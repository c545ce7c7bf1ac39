"""The writing half of an encoder-decoder: causal attention to what is written, and attention to what was read."""

from typing import Any, NamedTuple

from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int

from models.attention import CrossAttention, FullView, SelfAttention
from models.block import Block
from models.cache import DecoderCache
from models.config import TransformerConfig
from models.depth import Ran, fresh_caches, in_order, make_layers, run_layers
from models.embeddings import Places
from models.key_values import KeyValues
from models.layers import norm, split_key
from models.outputs import NOTHING, Attentions, Hidden, Request
from models.relative import RelativePositions
from ops.dropout import dropout


class DecoderView(NamedTuple):
    """`memory`: the encoder's last hidden state, where no cache has its keys and values; `real`: what of it is text."""

    own: FullView
    memory: Float[Array, "B S D"] | None
    real: Bool[Array, "B 1 S"] | None


class DecoderBlock(Block):
    """A `Block` with a second attention, to what was read, between its two branches.

    Source: Vaswani et al. 2017, section 3.1.
    """

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(cfg, SelfAttention(cfg, rngs=rngs), rngs=rngs)
        self.cross = CrossAttention(cfg, rngs=rngs)
        self.cross_norm = norm(cfg)

    def __call__(
        self,
        x: Float[Array, "B T D"],
        view: DecoderView,
        key: Array | None = None,
        cache: DecoderCache | None = None,
    ) -> tuple[Float[Array, "B T D"], DecoderCache | None]:
        in_own, after_own, in_cross, after_cross, after_mlp = split_key(key, 5)
        before, after = self.norms("attention_norm")
        y, own = self.attention(before(x), view.own, in_own, None if cache is None else cache.own)
        x = after(x + dropout(y, self.rate, after_own))
        read = self.cross.remembered(view.memory) if cache is None else cache.read
        before, after = self.norms("cross_norm")
        x = after(x + dropout(self.cross(before(x), read, view.real, in_cross), self.rate, after_cross))
        before, after = self.norms("mlp_norm")
        x = after(x + dropout(self.mlp(before(x)), self.rate, after_mlp))
        return x, None if cache is None else DecoderCache(own, read)

    def maps(
        self, x: Float[Array, "B T D"], view: DecoderView
    ) -> tuple[Float[Array, "B H T T"], Float[Array, "B H T S"]]:
        """The probabilities of both attentions, where `x` comes in."""
        before, after = self.norms("attention_norm")
        own = self.attention.weights(before(x), view.own)
        x = after(x + self.attention(before(x), view.own)[0])
        return own, self.cross.weights(self.norms("cross_norm")[0](x), self.cross.remembered(view.memory), view.real)


class DecoderOutput(NamedTuple):
    last_hidden_state: Float[Array, "B T D"]
    hidden_states: Hidden
    attentions: Attentions
    cross_attentions: Attentions
    caches: Any


class Decoder(nnx.Module):
    """A stack of `DecoderBlock`s. Its words come as vectors: the table is the encoder's."""

    def __init__(self, cfg: TransformerConfig, *, rngs: nnx.Rngs):
        self.cfg = cfg
        self.embeddings = Places(cfg, rngs=rngs)
        self.layers = make_layers(lambda _, rngs: DecoderBlock(cfg, rngs=rngs), cfg, rngs=rngs)
        if cfg.norm == "pre":
            self.final_norm = norm(cfg)
        if cfg.positions == "relative":
            self.relative = RelativePositions(cfg, rngs=rngs)

    def __call__(
        self,
        words: Float[Array, "B T D"],
        position_ids: Int[Array, "B T"],
        view: DecoderView,
        *,
        rngs: nnx.Rngs | None = None,
        caches: Any = None,
        request: Request = NOTHING,
    ) -> DecoderOutput:
        in_embeddings, in_layers = split_key(None if rngs is None else rngs.dropout(), 2)
        x = self.embeddings.placed(words, position_ids, None, in_embeddings)
        how = {"cfg": self.cfg, "caches": caches, "keep_inputs": any(request)}
        ran = run_layers(self.layers, x, view, in_layers, **how)
        x = self.final_norm(ran.x) if self.cfg.norm == "pre" else ran.x
        states = (*ran.inputs, x) if request.hidden_states else None
        return DecoderOutput(x, states, *self._maps(ran, view, request), ran.caches)

    def _maps(self, ran: Ran, view: DecoderView, request: Request) -> tuple[Any, Any]:
        if not request.attentions:
            return None, None
        layers = in_order(self.layers, self.cfg)
        pairs = [layer.maps(x, view) for layer, x in zip(layers, ran.inputs, strict=True)]
        return tuple(own for own, _ in pairs), tuple(cross for _, cross in pairs)

    def empty_caches(self, memory: Float[Array, "B S D"], capacity: int) -> Any:
        """For `capacity` tokens after `memory`, whose keys and values are made once and for all."""
        room, layers = KeyValues.empty(memory.shape[0], capacity, self.cfg), iter(in_order(self.layers, self.cfg))

        def of_next() -> DecoderCache:
            return DecoderCache(room, next(layers).cross.remembered(memory).for_steps())

        return fresh_caches(self.layers, of_next, cfg=self.cfg)
