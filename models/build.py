"""A whole model from the values of a recipe: the net's sizes, the net, and the head on it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx

from errors import InputError
from models.config import EncoderDecoderConfig, TransformerConfig
from models.encoder_decoder import EncoderDecoder

OF_DECODER = {
    "depth": "decoder_depth",
    "heads": "decoder_heads",
    "mlp_width": "decoder_mlp_width",
    "max_positions": "decoder_max_positions",
}
"""Sizes of which a decoder may have its own, by their names in a recipe; 0 is the encoder's, but for the depth."""

Sizes = TransformerConfig | EncoderDecoderConfig


def net_sizes(values: Mapping[str, Any], kind: type[TransformerConfig]) -> Sizes:
    """Those of the encoder; of both halves where `values["decoder_depth"]` is above 0.

    Raises:
      InputError: whatever cannot be built.
    """
    encoder = _taken(values, kind)
    if not values["decoder_depth"]:
        return encoder
    own = {name: values[key] or values[name] for name, key in OF_DECODER.items()}
    decoder = _taken(values | own | {"causal": True, "token_types": 0, "layer_order": ()}, TransformerConfig)
    return EncoderDecoderConfig(encoder=encoder, decoder=decoder)


def builder(
    sizes: Sizes, net: type[nnx.Module], head: type[nnx.Module], **options: Any
) -> Callable[[nnx.Rngs], nnx.Module]:
    """`build(rngs)`: the head, told `options`, on a net of these sizes.

    Raises:
      InputError: the head stands on an encoder alone and there is a decoder, or the other way round.
    """
    both = isinstance(sizes, EncoderDecoderConfig)
    if both and not getattr(head, "writes", False):
        raise InputError(f"a {head.__name__} stands on an encoder alone: set model.decoder_depth=0")
    if not both and getattr(head, "writes", False):
        raise InputError(f"a {head.__name__} writes what it has read: set model.decoder_depth to the layers that write")
    whole = EncoderDecoder if both else net
    return lambda rngs: head(whole(sizes, rngs=rngs), rngs=rngs, **options)


def _taken(values: Mapping[str, Any], kind: type[TransformerConfig]) -> TransformerConfig:
    return kind(**{field.name: values[field.name] for field in dataclasses.fields(kind)})
