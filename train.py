"""The one entry: reads a config, builds the parts it names, and trains, evaluates or predicts.

python train.py --config=configs/quickstart.py
python train.py --config=configs/quickstart.py --config.mode=evaluate
"""

import dataclasses
import difflib
import logging
import os
import sys
from pathlib import Path

import jax

from configs import command_line
from errors import InputError
from models import HEADS, MODELS
from tasks import TASKS, load_tokenizer
from training import loop, report, run_directory
from training.mesh import make_mesh
from training.state import Skeleton
from training.weights import check_complete, finished_source, starting_source


def main(argv: list[str]) -> None:
    config = command_line.parse(argv)
    logging.basicConfig(format="%(message)s", stream=sys.stdout, force=True)  # a library has set its own
    # What "auto" chose is told; what Orbax tells of each checkpoint, and of each error beside raising it, is not.
    for name, level in (("ops", logging.INFO), ("absl", logging.CRITICAL)):
        logging.getLogger(name).setLevel(level)
    mode = pick({"train": train, "evaluate": evaluate, "predict": predict}, config.mode, key="mode")
    if config.compilation_cache:
        jax.config.update("jax_compilation_cache_dir", os.path.expanduser(config.compilation_cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    directory = Path(config.workdir)
    with run_directory.held(directory), jax.set_mesh(make_mesh(config.mesh)):
        mode(config, directory)


def train(config, directory: Path) -> None:
    run_directory.claim(directory, config.to_dict())
    run = build(config, directory, starting_source(config))
    run_directory.write_environment(directory)
    state, scores = loop.train(run)
    report.finish_training(run, state.weights, scores)


def evaluate(config, directory: Path) -> None:
    run = build(config, directory, finished_source(config))
    params = check_complete(run.given, run.skeleton)
    report.evaluation(run, params, split=config.evaluation.split)


def predict(config, directory: Path) -> None:
    run = build(config, directory, finished_source(config))
    params = check_complete(run.given, run.skeleton)
    report.prediction(run, params, split=config.prediction.split)


def build(config, directory: Path, source) -> loop.Run:
    """Every part of a run, checked; nothing is compiled yet."""
    net_config, net = pick(MODELS, config.model.name, key="model.name")
    head, make_task = pick(HEADS, config.task, key="task"), pick(TASKS, config.task, key="task")
    mesh = make_mesh(config.mesh)
    sizes = model_sizes(config, net_config)  # all that costs nothing is checked before anything is read
    loop.check_settings(config, mesh)
    tokenizer = load_tokenizer(config, directory, inherited=source.tokenizer if source else None)
    sizes = dataclasses.replace(sizes, vocab_size=tokenizer.vocab_size)
    task = make_task(config, tokenizer, directory)
    loop.check_best(config, task)
    skeleton = Skeleton(lambda rngs: head(net(sizes, rngs=rngs), rngs=rngs, **task.head))
    given = source.load(mesh, like=skeleton.shapes) if source else None
    return loop.Run(task, skeleton, mesh, config, directory, given, report.process_start())


def model_sizes(config, net_config: type):
    """The net's own frozen dataclass from the config's model section."""
    values = config.model.to_dict() | {"vocab_size": config.tokenizer.vocab_size}
    sizes = net_config(**{field.name: values[field.name] for field in dataclasses.fields(net_config)})
    if sizes.positions == "learned" and config.data.length > sizes.max_positions:
        raise InputError(
            f"data.length={config.data.length} tokens is longer than the model's max_positions {sizes.max_positions}"
        )
    return sizes


def pick(table: dict, name: str, *, key: str):
    """`table[name]`, or an InputError that lists what there is."""
    if name not in table:
        close = difflib.get_close_matches(name, table, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise InputError(f"{key}={name!r} is not one of {', '.join(table)}{meant}")
    return table[name]


def told_in_one_sentence(error: Exception) -> str | None:
    """What to print instead of a traceback; None for a defect of ours."""
    if isinstance(error, (InputError, FloatingPointError)):
        return str(error)
    if any(words in str(error) for words in ("No space left on device", "Disk quota exceeded", "File too large")):
        what = str(error).partition(" [")[0]  # TensorStore adds a page of settings in brackets
        return f"the disk is full ({what}); no checkpoint is lost: free some space and start the same command again"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return None


if __name__ == "__main__":
    try:
        main(sys.argv)
    except KeyboardInterrupt:
        sys.exit("interrupted; start the same command again to go on from the last checkpoint")
    except Exception as error:
        told = told_in_one_sentence(error)
        if told is None:
            raise
        print(f"train.py: {' '.join(told.split())}", file=sys.stderr, flush=True)
        # On a full disk the writers that close at a normal exit would each add a traceback below that sentence.
        (os._exit if "disk is full" in told else sys.exit)(2)
