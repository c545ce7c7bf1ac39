import numpy as np
import pytest

from layer_stacks import arranged, single_paths, stack_of

PATH = "encoder.layers.2-4.mlp.up.kernel"


def test_a_stack_is_told_from_its_path():
    assert single_paths(PATH) == [f"encoder.layers.{n}.mlp.up.kernel" for n in (2, 3, 4)]
    assert single_paths("layers.9-10.scale") == ["layers.9.scale", "layers.10.scale"]
    assert (stack_of(PATH), stack_of("layers.0-1.scale")) == ("encoder.layers.2-4", "layers.0-1")
    for path in ("encoder.layers.2.mlp.up.kernel", "encoder.embeddings.word.embedding", "head.bias"):
        assert single_paths(path) == [path]
        assert stack_of(path) == ""


@pytest.mark.parametrize(
    "paths", [["layers.0-3.w", "b"], ["layers.0-0.w", "layers.1-3.w", "b"], [*single_paths("layers.0-3.w"), "b"]]
)
def test_any_arrangement_becomes_any_other(paths):
    whole = {"layers.0-3.w": np.arange(12.0).reshape(4, 3), "b": np.ones(2)}
    other = arranged(whole, paths)
    assert sorted(other) == sorted(paths)
    back = arranged(other, whole)
    assert back.keys() == whole.keys()
    assert all(np.array_equal(back[path], value) for path, value in whole.items())


def test_what_the_target_does_not_know_comes_apart_and_what_is_missing_stays_away():
    have = {"layers.0-1.w": np.arange(2.0), "other.bias": np.zeros(3)}
    assert sorted(arranged(have, ["layers.0-2.w"])) == ["layers.0.w", "layers.1.w", "other.bias"]
