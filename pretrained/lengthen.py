"""A RoBERTa made into a Longformer: `python -m pretrained.lengthen ROBERTA LONGFORMER --max-positions=4096`."""

import argparse
import dataclasses
import shutil
import sys
from pathlib import Path

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float

from errors import InputError
from models.config import LongformerConfig
from models.longformer import Longformer
from models.transformer import Transformer
from pretrained.exchange import load
from pretrained.saving import save
from skeleton import Skeleton, parameters

TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "special_tokens_map.json",
)


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
    if max_positions < cfg.longest:
        raise InputError(f"max_positions={max_positions} is less than the {cfg.longest} places that there are")
    longer = LongformerConfig(
        **{field.name: getattr(cfg, field.name) for field in dataclasses.fields(cfg)}
        | {"max_positions": max_positions + cfg.padding_place + 1},
        windows=windows,
        max_global_tokens=max_global_tokens,
    )

    def build(rngs: nnx.Rngs) -> nnx.Module:
        other = nnx.clone(model)  # whose head stays as it is
        other.encoder = Longformer(longer, rngs=rngs)
        return other

    skeleton, params = Skeleton(build), parameters(model)
    table = "encoder.embeddings.position.embedding"
    params[table] = tiled(params[table], first=cfg.padding_place + 1, rows=longer.max_positions)
    return skeleton.join({path: params[path.replace("_global.", ".")] for path in skeleton.shapes})


def tiled(table: Float[Array, "P D"], *, first: int, rows: int) -> Float[Array, "Q D"]:
    """The rows from `first` on again and again, until there are `rows`; those before once."""
    places = jnp.arange(rows)
    within = first + (places - first) % (table.shape[0] - first)
    return table[jnp.where(places < first, places, within)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pretrained.lengthen", description=__doc__.splitlines()[0])
    parser.add_argument("roberta", type=Path, help="directory in transformers' format")
    parser.add_argument("longformer", type=Path, help="directory to write")
    parser.add_argument("--max-positions", type=int, default=4096, help="tokens in the longest text")
    parser.add_argument("--window", type=int, default=256, help="tokens seen to each side")
    given = parser.parse_args()
    try:
        if given.longformer.exists():
            raise InputError(f"{given.longformer} exists; choose another directory")
        longer = roberta_to_longformer(load(given.roberta), windows=(given.window,), max_positions=given.max_positions)
        save(longer, given.longformer)
    except InputError as error:
        sys.exit(f"python -m pretrained.lengthen: {error}")
    for name in TOKENIZER:
        if (given.roberta / name).exists():
            shutil.copy(given.roberta / name, given.longformer / name)
    print(f"{given.longformer}: texts of up to {given.max_positions} tokens, {given.window} seen to each side")


if __name__ == "__main__":
    main()
