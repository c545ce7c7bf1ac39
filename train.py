"""The one entry: reads a config, builds the parts it names, and trains, evaluates, predicts or talks.

python train.py --config=configs/quickstart.py
python train.py --config=configs/quickstart.py --config.mode=evaluate
"""

import contextlib
import os
import sys
import traceback
from pathlib import Path

import jax

import pretrained
from configs import command_line
from errors import pick, status_of, told_in_one_sentence
from models import HEADS, MODELS
from models.build import builder, net_sizes
from models.cost import step_flops
from skeleton import Skeleton
from tasks import TASKS, Share, load_tokenizer, vocab_rows
from training import cluster, forecast, loop, process, report, run_directory, talking
from training.mesh import entered, make_mesh, process_share
from training.run import Run
from training.weights import check_complete, finished_source, starting_source, take_sizes


def main(argv: list[str]) -> None:
    config = command_line.parse(argv)
    modes = (train, evaluate, predict, talk, export, plan)
    mode = pick({each.__name__: each for each in modes}, config.mode, key="mode")
    process.prepare(config)
    take_sizes(config, pretrained)
    mesh = make_mesh(config.mesh, forecast.devices_of(config))
    with run_directory.held(directory := Path(config.workdir)), entered(mesh):
        mode(config, directory, mesh)


def train(config, directory: Path, mesh) -> None:
    run_directory.claim(directory, config.to_dict())
    run = build(config, directory, mesh, starting_source(config, pretrained))
    run_directory.write_environment(directory)
    run_directory.write_steps(directory, config.train.steps)
    state, scores = loop.train(run)
    report.finish_training(run, state.weights, scores)


def plan(config, directory: Path, mesh) -> None:
    run_directory.claim(directory, config.to_dict() | {"mode": "train"})
    report.plan(build(config, directory, mesh, starting_source(config, pretrained)))


def evaluate(config, directory: Path, mesh) -> None:
    report.evaluation(*finished(config, directory, mesh), split=config.evaluation.split)


def predict(config, directory: Path, mesh) -> None:
    report.prediction(*finished(config, directory, mesh), split=config.prediction.split)


def talk(config, directory: Path, mesh) -> None:
    with contextlib.redirect_stdout(sys.stderr):  # standard output has replies and nothing else
        asked = finished(config, directory, mesh)
    talking.talk(*asked, lines=sys.stdin)


def export(config, directory: Path, mesh) -> None:
    report.export(*finished(config, directory, mesh), pretrained.save)


def finished(config, directory: Path, mesh):
    source = finished_source(config, pretrained)
    if source.directory != directory:  # a score of somebody else's weights says whose, and by what code
        run_directory.claim(directory, config.to_dict())
        run_directory.write_environment(directory)
    run = build(config, directory, mesh, source)
    return run, check_complete(run.given, run.skeleton, run.task)


def build(config, directory: Path, mesh, source) -> Run:
    """Every part of a run, checked; nothing is compiled yet."""
    net_config, net = pick(MODELS, config.model.name, key="model.name")
    head, make_task = pick(HEADS, config.task, key="task"), pick(TASKS, config.task, key="task")
    model_sizes(config, net_config)  # all that costs nothing is checked before anything is read
    loop.check_settings(config, mesh)
    with cluster.leader_first("tokenizer"):
        tokenizer = load_tokenizer(config, directory, inherited=source.tokenizer if source else None)
    sizes = model_sizes(config, net_config, vocab_rows(config, tokenizer))
    share = Share() if config.mode == "plan" else Share(*process_share(mesh))
    task = make_task(config, tokenizer, directory, share)
    loop.check_best(config, task)
    skeleton = Skeleton(builder(sizes, net, head, **task.head))
    row = {"length": config.data.length, "global_tokens": config.data.global_tokens != "none"}
    flops = step_flops(sizes, rows=config.train.batch_size * task.rows, predicted=task.predicted, **row)
    return Run(task, skeleton, mesh, config, directory, source, report.process_start(), flops)


def model_sizes(config, net_config: type, vocab_size: int = 0):
    """The net's own frozen dataclass from the config's model section."""
    vocab_size = vocab_size or config.model.vocab_size or config.tokenizer.vocab_size
    sizes = net_sizes({**config.model, "vocab_size": vocab_size}, net_config)
    sizes.check_length(config.data.length, what="data.length: a row")
    return sizes


if __name__ == "__main__":
    try:
        main(sys.argv)
    except KeyboardInterrupt:
        sys.exit("interrupted; start the same command again to go on from the last checkpoint")
    except Exception as error:
        told = told_in_one_sentence(error)
        if told is None and jax.process_count() == 1:
            raise
        ours, sys.stderr = sys.stderr, open(os.devnull, "w")  # noqa: SIM115  (on a full disk each writer has a traceback)
        print(f"train.py: {' '.join(told.split())}" if told else traceback.format_exc(), file=ours, flush=True)
        # A normal exit would wait for other processes, and for those writers.
        (os._exit if "disk is full" in (told or "") or jax.process_count() > 1 else sys.exit)(status_of(error))
