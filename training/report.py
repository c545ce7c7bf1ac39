"""What a command says when it is done, for a person, and the files that say it for a program."""

import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import psutil

from errors import InputError, NoSplitError
from tasks.task import Answer
from training import forecast
from training.about import from_best_to_worst
from training.cluster import leader_first, leads
from training.evaluation import Evaluation
from training.goodput import goodput
from training.journal import draw_loss
from training.restore import stored_scores, stored_steps
from training.run import Run
from training.run_directory import how_scored, write_result
from whole_files import write_json, write_text


def finish_training(run: Run, params: dict[str, jax.Array], scores: dict[str, float]) -> None:
    """Scores beside the baseline, a few samples, the loss curve, where everything lies, and what to run next."""
    baseline = run.task.baseline("validation")
    steps = run.config.train.steps
    _record(run, "validation", {"step": steps, "trained_steps": steps, **scores}, baseline)
    print(f"\nvalidation after {run.config.train.steps} steps")
    _print_scores(scores, baseline)
    if samples := run.task.samples(_answerer(run, params)):
        print("\nwhat it has learned")
        print("\n".join(f"  {line}" for line in samples))
    if run.config.log.plot and leads():
        draw_loss(run.directory, baseline=(baseline["name"], baseline["loss"]) if "loss" in baseline else None)
    print(f"\nwritten to {run.directory}")
    for name, what in FILES.items():
        if (run.directory / name).exists():
            print(f"  {name:<16} {what}")
    if spent := goodput(run.directory):
        print(f"\n{spent.told()}")
    best = _best_step(run)
    print(f"\nnext (on the best checkpoint, step {best})")
    print(f"  {_command('evaluate')}   # score it again")
    if run.config.data[run.config.prediction.split]:
        print(f"  {_command('predict')}   # write its answers to a file")
    recipe = "summarise" if run.config.model.decoder_depth else "finetune"
    print(f"  python train.py --config=configs/{recipe}.py --config.init_from={run.directory} ...   # start from here")


def plan(run: Run) -> None:
    """Prints what training would need, and writes plan.json."""
    found = forecast.forecast(run)  # which refuses processes that differ
    if jax.process_count() > 1:
        print(f"{jax.process_count()} processes have the same config, packages, code, devices and training data")
    print("\n".join(["", f"plan of {run.directory}", *forecast.told(found, run.config, run.config.train.steps)]))
    write_json(run.directory / "plan.json", forecast.as_values(found))


FILES = {
    "loss.png": "the loss curve",
    "metrics.jsonl": "every number of the curve, one object a line",
    "speed.jsonl": "tokens per second and time spent waiting for data",
    "profile": "a trace of the steps of log.profile, for TensorBoard or ui.perfetto.dev",
    "tensorboard": "the same for TensorBoard",
    "checkpoints": "model, optimizer, random state and data position",
    "tokenizer": "tokenizer.json",
    "classes.json": "names of the classes that were found in the training split",
    "config.json": "the resolved config",
}


def evaluation(run: Run, params: dict[str, jax.Array], *, split: str) -> None:
    """Scores one split and writes result_SPLIT.json; with `data.train` empty without a baseline that needs it.

    The baseline comes first: it reads files, and a missing one should not cost the scores.
    """
    with leader_first(f"{split} baseline"):
        baseline = _baseline(run, split)
    scores = Evaluation(run, graded=True)(params, split)
    newest = stored_steps(run.given.directory / "checkpoints")[:1]  # none of a published model
    made = {"step": run.given.step, "trained_steps": newest[0] if newest else run.given.step}
    made["scored"] = how_scored(run.directory, run.config.to_dict())
    path = _record(run, split, made | scores, baseline)
    print(f"{split} split, checkpoint {run.given.step} of {run.given.directory}")
    _print_scores(scores, baseline)
    print(f"written to {path}")


def _baseline(run: Run, split: str) -> dict[str, Any]:
    try:
        return run.task.baseline(split)
    except NoSplitError as error:
        print(f"no baseline beside the scores: {error}", flush=True)
        return {}


def prediction(run: Run, params: dict[str, jax.Array], *, split: str) -> None:
    """Writes one JSON object a line for each example of a split, and beside it what an official scorer reads.

    Each file appears whole or not at all.

    Raises:
      InputError: `prediction.output` is a directory, or files there would take the place of data.
    """
    path, beside = _prediction_files(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = list(run.task.predictions(_answerer(run, params), split))
    texts = {path: "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)}
    texts |= {beside[suffix]: text for suffix, text in run.task.written(lines).items()}
    for place, text in texts.items() if leads() else ():
        write_text(place, text)
    told = " and ".join(str(place) for place in texts)
    print(f"{len(lines)} predictions of checkpoint {run.given.step} of {run.given.directory} written to {told}")


def _prediction_files(run: Run) -> tuple[Path, dict[str, Path]]:
    """That of the JSON lines, and by suffix those beside it, which have its name without .jsonl."""
    path = Path(run.config.prediction.output or run.directory / "predictions.jsonl")
    name = path.name.removesuffix(".jsonl")
    beside = {suffix: path.with_name(f"{name}{suffix}") for suffix in run.task.written([])}
    if path.is_dir():
        raise InputError(
            f"prediction.output={path} is a directory; name a file in it, such as {path / 'answers.jsonl'}"
        )
    for split in ("train", "validation", "test") if run.config.data.source == "files" else ():
        given = run.config.data[split]
        if given and Path(given).resolve() in [each.resolve() for each in (path, *beside.values())]:
            raise InputError(
                f"prediction.output={path} would replace {given}, which is data.{split}; name another file"
            )
    return path, beside


def process_start() -> float:
    """When this process began, as `time.time()` counts; imports lie after it."""
    return psutil.Process().create_time()


def _answerer(run: Run, params: dict[str, jax.Array]) -> Answer:
    return Evaluation(run, graded=False).answerer(params)


def _record(run: Run, split: str, scores: dict[str, float], baseline: dict[str, Any]) -> Path:
    """The scores are those of the checkpoint of "step", when the run had made "trained_steps"."""
    result = {
        "split": split,
        **scores,
        "baseline": baseline,
        "wall_seconds": round(time.time() - run.started, 1),
    }
    return write_result(run.directory, result)


def _print_scores(scores: dict[str, float], baseline: dict[str, Any]) -> None:
    width = max(12, *map(len, scores))
    for name, value in scores.items():
        beside = f"   ({baseline['name']}: {baseline[name]:.4g})" if name in baseline else ""
        print(f"  {name:<{width}} {value:.4g}{beside}")


def _best_step(run: Run) -> int:
    scores = stored_scores(run.directory / "checkpoints")
    return from_best_to_worst(scores, best=run.config.checkpoint.best)[0]


def _command(mode: str) -> str:
    words = [word for word in sys.argv[1:] if not word.lstrip("-").startswith("config.mode=")]
    return shlex.join(["python", Path(sys.argv[0]).name, *words, f"--config.mode={mode}"])


def export(run: Run, params: dict[str, jax.Array], save: Callable[..., None]) -> None:
    """Writes the model in transformers' format, its tokenizer beside it, and says where."""
    if jax.process_count() > 1:
        raise InputError("mode=export writes what one process holds: leave cluster.address empty")
    place, tokenizer = run.directory / "exported", run.task.tokenizer
    pad = None if tokenizer.pad_id == tokenizer.sep_id else tokenizer.pad_id  # transformers tells padding by the id
    save(run.skeleton.join(params), place, pad_token_id=pad, classes=run.task.classes)
    tokenizer.save(place)
    first = tokenizer.sep_id if run.config.model.causal else tokenizer.cls_id  # what a task puts before a text
    write_json(place / "tokenizer_config.json", tokenizer.described(first=first))
    print(f"{place}: config.json, model.safetensors and tokenizer.json; transformers' from_pretrained reads it")
