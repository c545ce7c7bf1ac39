"""A causal language model and its tokenizer, from a work directory or from one in transformers' format."""

from dataclasses import dataclass
from pathlib import Path

from flax import nnx

import pretrained
from data.tokenizer import Tokenizer
from errors import InputError
from models import HEADS, MODELS, CausalLM
from models.build import builder, net_sizes
from skeleton import Skeleton
from training.mesh import ONE_DEVICE, make_mesh
from training.restore import restore_best
from training.run_directory import as_tuples, has_checkpoint, read_config


@dataclass(frozen=True)
class Loaded:
    """`length`: tokens of the longest row that the model was trained for; its first may be global (a Longformer's)."""

    model: nnx.Module
    tokenizer: Tokenizer
    length: int
    first_is_global: bool = False


def load(directory: str | Path) -> Loaded:
    """The best checkpoint of a run of task=causal_lm, or a published causal language model.

    Raises:
      InputError: there is neither, or it is a model of another kind.
    """
    directory = Path(directory)
    if pretrained.holds(directory):
        model = pretrained.load(directory)
        if not isinstance(model, CausalLM):
            raise InputError(
                f"{directory} holds a {type(model).__name__}; the harness asks for a causal language model"
            )
        return Loaded(model, Tokenizer.load(directory), model.encoder.cfg.longest)
    config = read_config(directory)
    if config["task"] != "causal_lm":
        raise InputError(f"{directory} is a run of task={config['task']}; the harness asks for one of causal_lm")
    if not has_checkpoint(directory):
        raise InputError(f"{directory} has no checkpoint; train it first")
    values = {name: as_tuples(value) for name, value in config["model"].items()}
    tokenizer = Tokenizer.load(directory / "tokenizer")
    kind, net = MODELS[values["name"]]
    sizes = net_sizes(values | {"vocab_size": values["vocab_size"] or tokenizer.vocab_size}, kind)
    skeleton = Skeleton(builder(sizes, net, HEADS["causal_lm"]))
    how = {"best": config["checkpoint"]["best"], "verify": True}
    params, _ = restore_best(directory / "checkpoints", make_mesh(ONE_DEVICE), **how)
    first_is_global = values["name"] == "longformer" and config["data"]["global_tokens"] == "first"
    return Loaded(skeleton.join(params), tokenizer, config["data"]["length"], first_is_global)
