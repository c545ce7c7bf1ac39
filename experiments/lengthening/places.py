"""Another table of places for a model in transformers' format: `python -m experiments.lengthening.places HOW IN OUT`.

HOW is `drawn`, as for a new net (the first Longformer of Beltagy et al. 2020, table 5, which did not copy RoBERTa's),
or a number: that many places again and again, where no more were trained.
"""

import shutil
import sys
from pathlib import Path

import jax

import pretrained
from models.layers import INIT
from pretrained.lengthen import TOKENIZER
from pretrained.longer import tiled


def change_places(how: str, directory: Path, out: Path) -> None:
    model = pretrained.load(directory)
    table, first = model.encoder.embeddings.position.embedding, model.encoder.cfg.padding_place + 1
    if how == "drawn":
        table[...] = INIT(jax.random.key(0), table.shape, table.dtype)
    else:
        table[...] = tiled(table[: first + int(how)], first=first, unused=first, rows=table.shape[0])
    pretrained.save(model, out, pad_token_id=first - 1)
    for path in filter(Path.exists, (directory / name for name in TOKENIZER)):
        shutil.copy(path, out / path.name)


if __name__ == "__main__":
    how, directory, out = sys.argv[1:]
    change_places(how, Path(directory), Path(out))
