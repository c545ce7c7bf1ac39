"""One named mesh of devices, and where batches and parameters lie on it."""

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from errors import InputError


def make_mesh(data: int) -> Mesh:
    """A mesh whose axis `data` shares the batch among `data` devices (-1 = all)."""
    there = jax.device_count()
    if data == -1:
        data = there
    if not 1 <= data <= there:
        raise InputError(f"mesh.data={data} asks for more devices than there are ({there}); use -1 for all")
    devices = np.asarray(jax.devices()[:data])
    return Mesh(devices, ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, P())


def check_batch_size(mesh: Mesh, *, name: str, size: int, accumulation: int = 1) -> None:
    """Raises InputError unless each micro-batch divides evenly over the mesh."""
    ways = accumulation * mesh.shape["data"]
    if size < 1:
        raise InputError(f"{name}={size} must be at least 1")
    if size % ways:
        raise InputError(
            f"{name}={size} must be a multiple of {ways} (accumulation {accumulation} x {mesh.shape['data']} devices)"
        )


def put_batch(batch: dict[str, np.ndarray], mesh: Mesh, *, accumulation: int = 1) -> dict[str, jax.Array]:
    """Moves this process's examples to its devices as `[accumulation, examples, ...]`, the second axis shared out.

    Returns at once; the copy runs beside the computation.
    """
    sharding = NamedSharding(mesh, P(None, "data"))

    def put(array: np.ndarray) -> jax.Array:
        split = array.reshape(accumulation, -1, *array.shape[1:])
        return jax.make_array_from_process_local_data(sharding, split)

    return {name: put(array) for name, array in batch.items()}
