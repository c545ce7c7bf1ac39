"""Packed rows on disk: one directory per content digest, written whole or not at all, checked by digest when opened."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from errors import InputError

FORMAT = 2  # raise whenever packing or this layout changes
MANIFEST = "manifest.json"


def key(documents: Sequence[str], tokenizer_sha256: str, length: int, mode: str) -> str:
    """The name of a cache entry: a digest of all that the rows depend on."""
    digest = hashlib.sha256(f"{FORMAT} {tokenizer_sha256} {length} {mode} {len(documents)}".encode())
    for text in documents:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()


def save(directory: Path, content: dict[str, Any]) -> None:
    """Write arrays as .npy and the rest into the manifest, then rename; whatever stood at `directory` is replaced."""
    draft = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}")
    try:
        draft.mkdir(parents=True)
        _write(draft, content)
        if directory.exists():
            shutil.move(directory, draft.with_suffix(".old"))
        draft.rename(directory)
    except OSError as error:
        if load(directory) is None:  # else another process was first, with the same content
            raise InputError(
                f"{directory.parent}: cannot write the tokenised rows there ({error.strerror or error}); "
                "free space or choose another cache directory"
            ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(draft.with_suffix(".old"), ignore_errors=True)


def _write(draft: Path, content: dict[str, Any]) -> None:
    arrays = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    for name, array in arrays.items():
        np.save(draft / f"{name}.npy", array, allow_pickle=False)
    manifest = {
        "values": {name: value for name, value in content.items() if name not in arrays},
        "sha256": {name: _digest(draft / f"{name}.npy") for name in arrays},
    }
    (draft / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def load(directory: Path) -> dict[str, Any] | None:
    """The saved content with memory-mapped arrays, or None if it is absent, incomplete or not what was written."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        if any(_digest(directory / f"{name}.npy") != digest for name, digest in manifest["sha256"].items()):
            return None
        arrays = {name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in manifest["sha256"]}
        return arrays | manifest["values"]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
