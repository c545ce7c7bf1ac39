"""Published models in and out: directories of config.json and safetensors as transformers writes them."""

from pretrained.exchange import FAMILIES, holds, load, parameters, sizes
from pretrained.lengthen import roberta_to_longformer
from pretrained.saving import save

__all__ = ["FAMILIES", "holds", "load", "parameters", "roberta_to_longformer", "save", "sizes"]
