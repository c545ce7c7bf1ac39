"""Published models in and out: directories of config.json and safetensors as transformers writes them."""

from pretrained.exchange import FAMILIES, holds, load, sizes
from pretrained.lengthen import roberta_to_longformer
from pretrained.saving import save

__all__ = ["FAMILIES", "holds", "load", "roberta_to_longformer", "save", "sizes"]
