"""Small files and configs for tests of tasks."""

import json
from pathlib import Path
from typing import Any

from configs import defaults


def write_lines(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def config_of(folder: Path | str, task: str, **keys: Any):
    """The defaults with `folder`'s {train,validation,test}.jsonl as data; keys with their dots."""
    config = defaults.get_config()
    config.task = task
    splits = {split: f"{folder}/{split}.jsonl" for split in ("train", "validation", "test")}
    config.data.update(source="files", length=32, **splits)
    config.model.name = "transformer"
    config.update_from_flattened_dict(keys)
    return config
