"""Published models in and out: directories of config.json and weights as transformers writes them."""

from pretrained.exchange import holds, load, sizes
from pretrained.families import FAMILIES
from pretrained.longer import bart_to_led, roberta_to_longformer
from pretrained.saving import save

__all__ = ["FAMILIES", "bart_to_led", "holds", "load", "roberta_to_longformer", "save", "sizes"]
