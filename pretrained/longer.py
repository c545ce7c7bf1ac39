"""A RoBERTa's net made into a Longformer's, a BART's into an LED's: windows, and places for longer texts."""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float

from errors import InputError
from models.config import EncoderDecoderConfig, LongformerConfig, TransformerConfig
from models.encoder_decoder import EncoderDecoder
from models.longformer import Longformer
from models.transformer import Transformer
from skeleton import Skeleton, parameters, with_global_maps


def roberta_to_longformer(
    model: nnx.Module, *, windows: tuple[int, ...], max_positions: int, max_global_tokens: int = 1
) -> nnx.Module:
    """The same model with sliding-window attention and room for `max_positions` tokens, to be trained on.

    `windows`: tokens to each side, one or one per layer. The table of positions is its own copies one after the other;
    the projections of global tokens begin as those of the others. So a text that fits into one window, without global
    tokens or with them, is answered as before.

    Raises:
      InputError: the encoder is no Transformer with learned positions, or has more of them already.
    Source: Beltagy et al. 2020, section 5.
    """
    cfg = model.encoder.cfg
    if type(model.encoder) is not Transformer or cfg.positions != "learned" or cfg.causal:
        raise InputError("only an encoder with full attention and learned positions can be made into a Longformer")
    longer = _windowed(cfg, windows, max_positions, max_global_tokens, cfg.padding_place)

    def build(rngs: nnx.Rngs) -> nnx.Module:
        other = nnx.clone(model)  # whose head stays as it is
        other.encoder = Longformer(longer, rngs=rngs)
        return other

    return _joined(Skeleton(build), parameters(model), "encoder", cfg.padding_place + 1, longer)


def bart_to_led(
    model: nnx.Module, *, windows: tuple[int, ...], max_positions: int, max_global_tokens: int = 1
) -> nnx.Module:
    """The same model with sliding-window attention in its encoder and room for `max_positions` tokens to be read.

    As `roberta_to_longformer`; the decoder stays as it is, but for the two rows of its table that serve no text.

    Raises:
      InputError: the net is no encoder-decoder of Transformers with learned positions, or reads as much already.
    Source: Beltagy et al. 2020, section 7.
    """
    cfg = model.net.cfg
    if type(model.net.encoder) is not Transformer or cfg.encoder.positions != "learned":
        raise InputError("only an encoder with full attention and learned positions can be made into LED's")
    table, unused = "net.decoder.embeddings.position.embedding", cfg.decoder.padding_place + 1
    longer = _windowed(cfg.encoder, windows, max_positions, max_global_tokens, -1)
    decoder = dataclasses.replace(cfg.decoder, max_positions=cfg.decoder.longest, padding_place=-1, counted_places=True)

    def build(rngs: nnx.Rngs) -> nnx.Module:
        other = nnx.clone(model)
        other.net = EncoderDecoder(EncoderDecoderConfig(encoder=longer, decoder=decoder), rngs=rngs)
        return other

    params = parameters(model)
    params[table] = params[table][unused:]
    return _joined(Skeleton(build), params, "net.encoder", cfg.encoder.padding_place + 1, longer)


def _windowed(
    cfg: TransformerConfig, windows: tuple[int, ...], max_positions: int, max_global_tokens: int, padding_place: int
) -> LongformerConfig:
    if max_positions < cfg.longest:
        raise InputError(f"max_positions={max_positions} is less than the {cfg.longest} places that there are")
    sizes = {field.name: getattr(cfg, field.name) for field in dataclasses.fields(cfg)}
    sizes |= {"max_positions": max_positions + padding_place + 1, "padding_place": padding_place}
    sizes["counted_places"] = True
    return LongformerConfig(**sizes, windows=windows, max_global_tokens=max_global_tokens)


def _joined(
    skeleton: Skeleton, params: dict[str, Array], encoder: str, first: int, cfg: LongformerConfig
) -> nnx.Module:
    """The encoder's table of places from its row `first` on again and again, and projections of global tokens made."""
    table = f"{encoder}.embeddings.position.embedding"
    params[table] = tiled(params[table], first=first, unused=cfg.padding_place + 1, rows=cfg.max_positions)
    return skeleton.join(with_global_maps(params, skeleton.shapes))


def tiled(table: Float[Array, "P D"], *, first: int, unused: int, rows: int) -> Float[Array, "Q D"]:
    """`unused` rows, those below `first` that serve no text; then the rows from `first` on, until there are `rows`."""
    places = jnp.arange(rows)
    within = first + (places - unused) % (table.shape[0] - first)
    return table[jnp.where(places < unused, places, within)]
