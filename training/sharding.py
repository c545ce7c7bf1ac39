"""Where parameters and the optimizer's state lie on the mesh: rules over parameter paths, the first match decides."""

import math
import re
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from layer_stacks import stack_of
from mesh_axes import HEADS

# Megatron's cut (Shoeybi et al. 2019, section 3): the first matrix of each pair by its columns, the second by its rows,
# so that one sum over devices closes each pair. `fsdp` takes the other axis (ZeRO stage 3: Rajbhandari et al. 2020,
# section 5). A kernel is [inputs, outputs].
RULES: tuple[tuple[str, P], ...] = (
    (r"embeddings\.word\.embedding$", P(HEADS, "fsdp")),
    (r"\.embedding$", P(None, "fsdp")),
    (r"(attention|cross)\.(query|key|value)(_global)?\.kernel$", P("fsdp", HEADS)),
    (r"(attention|cross)\.(query|key|value)(_global)?\.bias$", P(HEADS)),
    (r"(attention|cross)\.output\.kernel$", P(HEADS, "fsdp")),
    (r"mlp\.(up|gate)\.kernel$", P("fsdp", HEADS)),
    (r"mlp\.(up|gate)\.bias$", P(HEADS)),
    (r"mlp\.down\.kernel$", P(HEADS, "fsdp")),
    (r"\.kernel$", P("fsdp", None)),
    (r"", P()),
)


def spec_of(path: str, shape: tuple[int, ...], mesh: Mesh) -> P:
    """How the parameter at `path` is shared out; a dimension that its axis does not divide stays whole."""
    rule = next(spec for pattern, spec in RULES if re.search(pattern, path))
    rule = (
        (None, *rule) if stack_of(path) else rule
    )  # a layer is never cut off from the others: the scan visits it whole
    return P(
        *(axis if axis and size % mesh.shape[axis] == 0 else None for axis, size in zip(rule, shape, strict=False))
    )


def shardings(tree: Any, mesh: Mesh) -> Any:
    """The sharding of every leaf of a train state, or of parameters by path.

    What an optimizer keeps under a parameter's path lies by that path's rule: moments as the parameter does, and
    Adafactor's sums of rows and columns by its first axes. All else is on every device.
    """

    def of(keys: tuple[Any, ...], leaf: Any) -> NamedSharding:
        names = [str(key.key) for key in keys if isinstance(key, jax.tree_util.DictKey)]
        return NamedSharding(mesh, spec_of(names[-1], leaf.shape, mesh) if names and leaf.ndim else P())

    return jax.tree_util.tree_map_with_path(of, tree)


def laid_out(tree: Any, mesh: Mesh) -> Any:
    """The shapes of `tree` with the shardings of `shardings`."""
    return jax.tree.map(
        lambda leaf, how: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=how), tree, shardings(tree, mesh)
    )


def bytes_per_device(tree: Any, mesh: Mesh) -> int:
    """Bytes that one device holds of `tree`, laid out by `shardings`."""
    leaves = zip(jax.tree.leaves(tree), jax.tree.leaves(shardings(tree, mesh)), strict=True)
    return sum(math.prod(how.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf, how in leaves)
