"""What people watch: metrics.jsonl, speed.jsonl, TensorBoard events, Weights & Biases, a progress bar, the loss curve.

metrics.jsonl holds only what the seed decides, so that a resumed run ends with the same bytes; times go to speed.jsonl.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from tqdm import tqdm

from errors import InputError
from whole_files import write_text

Values = dict[str, float]


class Journal:
    """Writes on one process only; the others are given `active=False` and their calls do nothing."""

    def __init__(
        self,
        directory: Path,
        settings: Any,
        *,
        steps: int,
        start: int,
        config: dict[str, Any],
        scored: bool = True,
        active: bool = True,
    ):
        """Goes on from the checkpoint of step `start`; `scored` where that holds its validation scores."""
        self._active, self._settings, self._directory = active, settings, directory
        if not active:
            return
        for name in ("metrics.jsonl", "speed.jsonl"):
            keep_lines_up_to(directory / name, start, scored=scored)
        self._files = {name: open(directory / f"{name}.jsonl", "a", encoding="utf-8") for name in ("metrics", "speed")}  # noqa: SIM115
        hidden = None if settings.progress else True  # None: where no person watches
        self._bar = tqdm(total=steps, initial=start, unit="step", disable=hidden, dynamic_ncols=True, smoothing=0.1)
        self._tensorboard = self._wandb = None
        if settings.tensorboard:
            from tensorboardX import SummaryWriter

            self._tensorboard = SummaryWriter(str(directory / "tensorboard"), purge_step=start + 1 if start else None)
        if settings.wandb:
            import wandb

            named = {"id": _wandb_id(directory), "name": directory.name}
            self._wandb = wandb.init(project=settings.wandb, dir=str(directory), config=config, resume="allow", **named)

    def metrics(self, step: int, split: str, values: Values) -> None:
        """One line that a rerun must reproduce to the last bit."""
        if not self._active:
            return
        self._write("metrics", {"step": step, "split": split, **values})
        self._chart(step, {f"{split}/{name}": value for name, value in values.items()})
        if split != "train":
            told = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
            tqdm.write(f"step {step:>6}  {split}  {told}") if self._settings.progress else print(
                f"step {step}  {split}  {told}", flush=True
            )

    def speed(self, step: int, values: Values) -> None:
        if self._active:
            self._write("speed", {"step": step, **values})
            self._chart(step, {f"speed/{name}": value for name, value in values.items()})

    def progress(self, step: int, **shown: str) -> None:
        if self._active:
            self._bar.set_postfix(refresh=False, **shown)
            self._bar.update(step - self._bar.n)

    def flush(self) -> None:
        """Gives every line to the operating system, so that a killed process loses none."""
        if self._active:
            for file in self._files.values():
                file.flush()

    def close(self) -> None:
        if not self._active:
            return
        self._bar.close()
        for file in self._files.values():
            file.close()
        if self._tensorboard:
            self._tensorboard.close()
        if self._wandb:
            self._wandb.finish()

    def plot(self, *, baseline: tuple[str, float] | None) -> Path | None:
        if self._active and self._settings.plot:
            self.flush()
            return draw_loss(self._directory, baseline=baseline)
        return None

    def _write(self, name: str, line: dict[str, Any]) -> None:
        self._files[name].write(json.dumps(line) + "\n")
        self._files[name].flush()

    def _chart(self, step: int, values: Values) -> None:
        if self._tensorboard:
            for name, value in values.items():
                self._tensorboard.add_scalar(name, value, step)
        if self._wandb:
            self._wandb.log(values, step=step)


def _wandb_id(directory: Path) -> str:
    """The same at each start of a run, and another for every directory, whatever its last name."""
    return f"{directory.name}-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]}"


def keep_lines_up_to(path: Path, step: int, *, scored: bool = True) -> None:
    """Drops the lines of steps past `step`, and a last line cut off by a kill; the file is replaced in one rename.

    Where the checkpoint of `step` is not `scored`, its validation line goes too: it is evaluated again.

    Raises:
      InputError: with file and line, for a whole line that is no JSON; the file stays as it is.
    """
    if not path.exists():
        return
    kept = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        if line.endswith("\n") and _stays(_parsed(line, f"{path}:{number}"), step, scored):
            kept.append(line)
    write_text(path, "".join(kept))


def _stays(found: dict[str, Any], step: int, scored: bool) -> bool:
    return found["step"] < step or (found["step"] == step and (scored or found.get("split") != "validation"))


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError as error:
        raise InputError(f"{where}: is not valid JSON ({error}); take that line out") from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a .jsonl file; none where there is no file.

    Raises:
      InputError: with file and line, for what is no JSON.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [_parsed(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]


def draw_loss(directory: Path, *, baseline: tuple[str, float] | None) -> Path:
    """loss.png: training and validation loss by step, in nats, with the score of a model that ignores its input."""
    from matplotlib.figure import Figure  # slow to import; without pyplot it needs no display

    lines = [line for line in read_lines(directory / "metrics.jsonl") if math.isfinite(line.get("loss", math.nan))]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for split, style in (("train", {"alpha": 0.6, "linewidth": 1}), ("validation", {"marker": "o", "markersize": 4})):
        points = [(line["step"], line["loss"]) for line in lines if line["split"] == split]
        if points:
            axes.plot(*zip(*points, strict=True), label=split, **style)
    if baseline:
        name, value = baseline
        axes.axhline(value, color="grey", linestyle="--", linewidth=1, label=f"{name} {value:.2f}")
    axes.set(xlabel="optimizer step", ylabel="loss (nats)", title=str(directory))
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    path = directory / "loss.png"
    figure.savefig(path, dpi=120)
    return path
