"""A model and its parameters, apart: by dotted path, such as `encoder.layers.0.mlp.up.kernel`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
from flax import nnx

from layer_stacks import write_out

BuildModel = Callable[[nnx.Rngs], nnx.Module]


def parameters(model: nnx.Module) -> dict[str, Any]:
    """Those of the model; shapes, if it has only these."""
    return {".".join(map(str, path)): leaf.get_value() for path, leaf in nnx.to_flat_state(nnx.state(model))}


def with_global_maps(params: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """`params` and, where `paths` has projections of global tokens that they lack, the others' in their place.

    So a Longformer begins from a net that has none (Beltagy et al. 2020, section 5).
    """
    local = {path: path.replace("_global.", ".") for path in paths if path not in params and "_global." in path}
    return dict(params) | {path: params[other] for path, other in local.items() if other in params}


class Skeleton:
    """A model without its parameters: joins a flat dict of them back into an `nnx.Module`, traced or not."""

    def __init__(self, build_model: BuildModel):
        self._build = build_model
        empty = nnx.eval_shape(lambda: build_model(nnx.Rngs(0)))
        self._graph, state = nnx.split(empty)
        self._paths = [path for path, _ in nnx.to_flat_state(state)]
        self.shapes: dict[str, jax.ShapeDtypeStruct] = parameters(empty)

    def written_out(self) -> "Skeleton":
        """The same model with a module, and parameters, for each layer where stacks of them are scanned."""
        return Skeleton(lambda rngs: write_out(self._build(rngs)))

    def join(self, params: Mapping[str, jax.Array]) -> nnx.Module:
        nested: dict[Any, Any] = {}
        for path in self._paths:
            branch = nested
            for part in path[:-1]:
                branch = branch.setdefault(part, {})
            branch[path[-1]] = params[".".join(map(str, path))]
        return nnx.merge(self._graph, nested)

    def initial(self, key: jax.Array) -> dict[str, jax.Array]:
        """Fresh parameters; pure, so it may be compiled with the shardings wanted of its result."""
        return parameters(self._build(nnx.Rngs(key)))

    @property
    def parameter_count(self) -> int:
        return sum(leaf.size for leaf in self.shapes.values())
