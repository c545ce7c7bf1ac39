"""One named mesh of devices, and where batches lie on it."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import mesh_axes
from errors import InputError

ONE_DEVICE = dict.fromkeys(mesh_axes.ALL, 1)


def make_mesh(sizes: Mapping[str, int], devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh of the config's `mesh` section: `data` x `fsdp` x `tensor` x `sequence` devices; -1 = all that are left.
    `devices`: all that there are, if not given.

    Raises:
      InputError: for numbers whose product is not a number of devices that there are.
    """
    devices = jax.devices() if devices is None else devices
    there, wanted = len(devices), [sizes[name] for name in mesh_axes.ALL]
    told = " x ".join(f"{name} {size}" for name, size in zip(mesh_axes.ALL, wanted, strict=True))
    if any(size < 1 and size != -1 for size in wanted) or wanted.count(-1) > 1:
        raise InputError(f"mesh: {told} must be numbers of at least 1, and at most one -1 (all devices that are left)")
    fixed = math.prod(size for size in wanted if size != -1)
    if -1 in wanted and there % fixed:
        raise InputError(f"mesh: {told} does not divide the {there} devices that there are")
    shape = [there // fixed if size == -1 else size for size in wanted]
    used = math.prod(shape)
    if used > there:
        raise InputError(f"mesh: {told} asks for {used} devices and there are {there}; use -1 for all that are left")
    return Mesh(np.asarray(devices[:used]).reshape(shape), mesh_axes.ALL, axis_types=(AxisType.Auto,) * len(shape))


def entered(mesh: Mesh) -> contextlib.AbstractContextManager[Any]:
    """The context in which models find the mesh. On devices that are only described, nothing is run."""
    described = mesh.devices.flat[0] not in jax.devices()
    return jax.sharding.use_abstract_mesh(mesh.abstract_mesh) if described else jax.set_mesh(mesh)


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, P())


def batch_ways(mesh: Mesh) -> int:
    """Over how many devices the examples are shared out."""
    return math.prod(mesh.shape[name] for name in mesh_axes.BATCH)


def check_batch_size(mesh: Mesh, *, name: str, size: int, accumulation: int = 1) -> None:
    """Raises InputError unless each micro-batch divides evenly over the mesh."""
    ways = accumulation * batch_ways(mesh)
    if size < 1:
        raise InputError(f"{name}={size} must be at least 1")
    if size % ways:
        raise InputError(
            f"{name}={size} must be a multiple of {ways} (accumulation {accumulation} x {batch_ways(mesh)} devices)"
        )


def check_model_fits(mesh: Mesh, *, heads: int, mlp_width: int, length: int, buckets: Sequence[int] = ()) -> None:
    """Raises InputError unless heads, feed-forward width and tokens divide evenly over the mesh.

    `buckets` are the shorter lengths that a batch may have; those that are not below `length` are never used.
    A decoder may be uneven: its shares are filled up, as those of the encoder's windows are not (losses within 2e-6).
    """
    for axis, key, size in (
        (mesh_axes.HEADS, "model.heads", heads),
        (mesh_axes.HEADS, "model.mlp_width", mlp_width),
        (mesh_axes.TOKENS, "data.length", length),
        *((mesh_axes.TOKENS, f"data.buckets[{at}]", size) for at, size in enumerate(buckets) if size < length),
    ):
        if size % mesh.shape[axis]:
            raise InputError(f"mesh.{axis}={mesh.shape[axis]} does not divide {key}={size}")


def process_share(mesh: Mesh) -> tuple[int, int]:
    """(index, count): which of `count` equal parts of the examples lie on this process's devices.

    Processes whose devices share out the heads or the tokens of the same examples have the same part.

    Raises:
      InputError: its devices hold no such part.
    """
    groups = mesh.devices.reshape(batch_ways(mesh), -1)  # the axes of the examples come first
    here = jax.process_index()
    mine = [number for number, group in enumerate(groups) if any(device.process_index == here for device in group)]
    if not mine or len(groups) % len(mine) or mine != list(range(mine[0], mine[0] + len(mine))) or mine[0] % len(mine):
        raise InputError(f"mesh: process {here} would hold the parts {mine} of {len(groups)}; choose other axes")
    return mine[0] // len(mine), len(groups) // len(mine)


def put_whole(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Moves a batch that every process holds whole to the devices, as `put_batch` lays it out."""
    sharding = NamedSharding(mesh, P(None, mesh_axes.BATCH))

    def put(array: np.ndarray) -> jax.Array:
        return jax.make_array_from_callback((1, *array.shape), sharding, lambda at: array[None][at])

    return {name: put(array) for name, array in batch.items()}


def put_batch(batch: dict[str, np.ndarray], mesh: Mesh, *, accumulation: int = 1) -> dict[str, jax.Array]:
    """Moves this process's examples to its devices as `[accumulation, examples, ...]`, the second axis shared out.

    Returns at once; the copy runs beside the computation.
    """
    sharding = NamedSharding(mesh, P(None, mesh_axes.BATCH))

    def put(array: np.ndarray) -> jax.Array:
        split = array.reshape(accumulation, -1, *array.shape[1:])
        return jax.make_array_from_process_local_data(sharding, split)

    return {name: put(array) for name, array in batch.items()}


def settled(value: Any, mesh: Mesh) -> Any:
    """`value`, waited for on simulated devices.

    Their programs share the processor's few threads, where two with sums over devices can wait for each other for ever.
    """
    return jax.block_until_ready(value) if mesh.size > 1 and mesh.devices.flat[0].platform == "cpu" else value
