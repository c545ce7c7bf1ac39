"""Low-rank adaptations: nothing at first, a product of two narrow matrices later, and merged without a trace."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nets import SIZES, config, jitted, marked, small, token_ids

from errors import InputError
from models import MODELS
from models.lora import merged
from skeleton import Skeleton

LORA = {"lora_rank": 2, "lora_alpha": 6.0}
EVERY = {"lora_maps": ("query", "key", "value", "output", "query_global", "key_global", "value_global", "up", "down")}


def flat(model):
    return {".".join(map(str, path)): leaf[...] for path, leaf in nnx.to_flat_state(nnx.state(model))}


def filled(model, params):
    paths = [path for path, _ in nnx.to_flat_state(nnx.state(model))]
    nnx.update(model, nnx.from_flat_state([(path, params[".".join(map(str, path))]) for path in paths]))
    return model


def hidden(model):
    ids = token_ids(2, 12)
    inputs = {"global_attention_mask": marked(2, 12, 0, 5)} if hasattr(model.cfg, "windows") else {}
    return np.asarray(jitted(model, lambda m: m(ids, **inputs).last_hidden_state))


@pytest.mark.parametrize("name", ["transformer", "longformer"])
@pytest.mark.parametrize("scan", [False, True])
def test_merged_weights_give_what_the_adapted_net_gives(name, scan):
    changes = {"depth": 2, "scan": scan} | ({"windows": (3,)} if name == "longformer" else {})
    adapted = small(name, **changes, **LORA, **EVERY)
    plain = filled(small(name, **changes), merged(flat(adapted), alpha=6.0))
    error = np.abs(hidden(adapted) - hidden(plain)).max()
    print(f"{name}: {error:.1e}")
    assert error < 5e-5
    zeroed = {path: jnp.zeros_like(v) if path.endswith("lora_b") else v for path, v in flat(adapted).items()}
    assert np.abs(hidden(filled(adapted, zeroed)) - hidden(plain)).max() > 0.1


def test_a_fresh_adaptation_changes_nothing():
    def built(**changes):
        return MODELS["transformer"][1](config("transformer", **changes), rngs=nnx.Rngs(0))

    adapted = built(**LORA)
    ups = [value for path, value in flat(adapted).items() if path.endswith("lora_b")]
    assert len(ups) == 2
    assert not any(value.any() for value in ups)
    plain = filled(built(), merged(flat(adapted), alpha=6.0))
    assert np.abs(hidden(adapted) - hidden(plain)).max() == 0


@pytest.mark.parametrize("name", ["transformer", "longformer"])
@pytest.mark.parametrize("maps", [("query", "value"), EVERY["lora_maps"]])
def test_each_map_gets_two_narrow_matrices(name, maps):
    def count(**changes):
        return Skeleton(lambda rngs: MODELS[name][1](config(name, **changes), rngs=rngs)).parameter_count

    sides = dict.fromkeys(("up", "down"), 32 + 48) | dict.fromkeys(("query", "key", "value", "output"), 2 * 32)
    wide = 2 * 32 if name == "longformer" else 0
    sides |= dict.fromkeys(("query_global", "key_global", "value_global"), wide)
    assert count(lora_rank=3, lora_maps=maps) - count() == 3 * sum(sides[each] for each in maps)


def test_maps_that_are_not_there_are_refused():
    with pytest.raises(InputError, match="each of lora_maps must be one of query, key"):
        MODELS["transformer"][0](**SIZES, lora_rank=1, lora_maps=("qurey",))
