"""Weights in a .bin file: a pickle, opened by nothing but PyTorch's weights-only reader."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from errors import InputError
from pretrained.stored import Stored


def pickled_weights(path: Path) -> dict[str, Stored]:
    """Every weight of the file by name. Of the zip files of PyTorch since 1.6 no value is read yet; older ones are read
    whole.

    Raises:
      InputError: PyTorch is not installed, the file is damaged, it asks for more than weights, or holds anything else.
    """
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{path} is a pickle, which could run code while it is read; PyTorch's weights-only reader runs none, but "
            "PyTorch is not installed: install torch, or convert the file to model.safetensors where it is "
            "(transformers' `from_pretrained`, then `save_pretrained`)"
        ) from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # over a damaged pickle the reader may stumble in any way
        raise InputError(f"{path} is no sound file of weights: {_reason(error)}") from error
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise InputError(f"{path} holds a {type(found).__name__}, not weights by name")
    for name, value in found.items():
        if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.device.type != "cpu":
            raise InputError(f"{path}: {name} is no array of numbers")
    return {name: _stored(path, value) for name, value in found.items()}


def _stored(path: Path, tensor: Any) -> Stored:
    dtype = str(tensor.dtype).removeprefix("torch.")
    in_rows = tensor.detach() if tensor.ndim else tensor.detach()[None]

    def rows(first: int, last: int) -> np.ndarray:
        part = in_rows[first:last]
        return (part.float() if dtype == "bfloat16" else part).numpy(force=True)  # numpy has no such type

    return Stored(path, tuple(tensor.shape), dtype, rows)


def _reason(error: Exception) -> str:
    """What PyTorch has to say, without its page of advice."""
    told = str(error)
    if asked := re.search(r"\bGLOBAL (\S+)", told):
        return f"it asks for {asked[1]}, which weights do not need, and nothing of it was run"
    found = re.search(r"WeightsUnpickler error:\s*(.+)", told) or re.match(r"(.+)", told)
    return found[1] if found else repr(error)
