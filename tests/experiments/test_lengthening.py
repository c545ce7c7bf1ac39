"""The lengthening study's commands are ones that train.py takes, and its other tables of places are what they say."""

import jax.numpy as jnp
from flax import nnx

import pretrained
from configs import command_line
from experiments.lengthening import sweep
from experiments.lengthening.places import change_places
from models import MODELS, MaskedLM, Transformer, TransformerConfig
from train import model_sizes

SIZES = {"vocab_size": 40, "width": 12, "depth": 1, "heads": 2, "mlp_width": 16, "token_types": 1}


def test_every_command_of_the_study_parses_and_has_room_for_its_rows():
    sweeps = {name: sweep.get_sweep(name) for name in ("rows-of-64", *sweep.RECORDED)}
    for each in sweeps.values():
        each.check()
    commands = {name: [point.commands[0] for point in each.points()] for name, each in sweeps.items()}
    configs = {name: [command_line.parse(["train.py", *given]) for given in all_] for name, all_ in commands.items()}
    for config in (config for each in configs.values() for config in each):
        model_sizes(config, MODELS[config.model.name][0])  # refuses rows that are longer than the table of places
    tokens = {config.data.length * config.train.batch_size for name in sweep.TRAINED_ON for config in configs[name]}
    assert tokens == {sweep.TOKENS}


def test_places_are_tiled_from_the_first_ones_or_drawn_and_all_else_stays(tmp_path):
    cfg = TransformerConfig(**SIZES, max_positions=14, padding_place=1)
    pretrained.save(MaskedLM(Transformer(cfg, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1)), tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").write_text("{}")
    change_places("4", tmp_path / "model", tmp_path / "tiled")
    change_places("drawn", tmp_path / "model", tmp_path / "drawn")
    before, tiled, drawn = (pretrained.load(tmp_path / name) for name in ("model", "tiled", "drawn"))
    old, new, other = (model.encoder.embeddings.position.embedding[...] for model in (before, tiled, drawn))
    assert (new == jnp.concatenate([old[:6], old[2:6], old[2:6]])).all()
    assert (other != old).all()
    assert (drawn.encoder.embeddings.word.embedding[...] == before.encoder.embeddings.word.embedding[...]).all()
    assert (tmp_path / "drawn" / "tokenizer.json").read_text() == "{}"
