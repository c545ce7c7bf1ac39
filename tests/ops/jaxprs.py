"""What a traced program is made of."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np


def equations(jaxpr: Any) -> Iterator[Any]:
    """All equations of a jaxpr, those of its inner jaxprs included."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
            if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                yield from equations(getattr(inner, "jaxpr", inner))


def array_sizes(jaxpr: Any) -> list[int]:
    """Elements of each intermediate array."""
    return [int(np.prod(var.aval.shape)) for equation in equations(jaxpr) for var in equation.outvars]
