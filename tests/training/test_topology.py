"""The same run on any mesh: the same batches, and losses equal but for the order in which float32 numbers are added."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from errors import InputError
from training.mesh import check_model_fits, make_mesh
from training.sharding import bytes_per_device, shardings, spec_of

ROOT = Path(__file__).resolve().parents[2]
RECIPE = Path(__file__).with_name("tiny_recipe.py")
P = jax.sharding.PartitionSpec


@pytest.mark.slow
def test_losses_on_every_mesh_are_those_of_one_device_also_after_moving_to_another(corpus, tmp_path):
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "tests.training.topologies", f"{RECIPE}:{corpus}", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(cases) == 10
    alone = {case["net"]: case["lines"] for case in cases if case["mesh"] == "one device"}
    assert alone["longformer"] != alone["transformer"]
    for case in cases:
        want = alone[case["net"]]
        assert [line["step"] for line in case["lines"]] == [line["step"] for line in want]
        errors = {
            name: max(abs(a[name] - b[name]) for a, b in zip(case["lines"], want, strict=True) if name in a)
            for name in ("loss", "gradient_norm")
        }
        print(case["net"], case["mesh"], errors)
        assert max(errors.values()) < 5e-6  # measured 4e-7, of values about 6 and 1.3


def sizes(**changes):
    return {"data": 1, "fsdp": 1, "tensor": 1, "sequence": 1} | changes


@pytest.mark.parametrize(
    ("mesh", "told"),
    [
        ({"data": 9999}, "asks for 9999 devices and there are 1"),
        ({"data": 0}, "must be numbers of at least 1"),
        ({"data": -1, "fsdp": -1}, "at most one -1"),
        ({"data": -1, "tensor": 3}, "data -1 x fsdp 1 x tensor 3 x sequence 1 does not divide the 1 devices"),
    ],
    ids=str,
)
def test_a_mesh_that_cannot_be_is_refused(mesh, told):
    with pytest.raises(InputError, match=told):
        make_mesh(sizes(**mesh))


def abstract(**changes):
    return jax.sharding.AbstractMesh(tuple(sizes(**changes).values()), tuple(sizes()))


@pytest.mark.parametrize(
    ("mesh", "told"),
    [
        ({"tensor": 3}, "mesh.tensor=3 does not divide model.heads=4"),
        ({"tensor": 4}, "mesh.tensor=4 does not divide model.mlp_width=30"),
        ({"sequence": 5}, "mesh.sequence=5 does not divide data.length=48"),
        ({"sequence": 8}, r"mesh.sequence=8 does not divide data.buckets\[2\]=36"),
    ],
    ids=str,
)
def test_a_mesh_that_does_not_divide_the_model_is_refused(mesh, told):
    with pytest.raises(InputError, match=told):
        check_model_fits(abstract(**mesh), heads=4, mlp_width=30, length=48, buckets=(16, 99, 36))


def test_matrices_are_cut_in_pairs_and_vectors_where_their_matrix_is():
    mesh = abstract(fsdp=2, tensor=4)
    layer = "encoder.layers.3."
    for path, shape, want in (
        (layer + "attention.query.kernel", (8, 8), P("fsdp", "tensor")),
        (layer + "attention.value_global.kernel", (8, 8), P("fsdp", "tensor")),
        (layer + "attention.query.bias", (8,), P("tensor")),
        (layer + "attention.output.kernel", (8, 8), P("tensor", "fsdp")),
        (layer + "attention.output.bias", (8,), P()),
        (layer + "mlp.up.kernel", (8, 32), P("fsdp", "tensor")),
        (layer + "mlp.down.kernel", (32, 8), P("tensor", "fsdp")),
        (layer + "mlp_norm.scale", (8,), P()),
        ("encoder.embeddings.word.embedding", (100, 8), P("tensor", "fsdp")),
        ("encoder.embeddings.word.embedding", (101, 8), P(None, "fsdp")),  # 4 does not divide 101
        ("head.dense.kernel", (8, 8), P("fsdp", None)),
    ):
        assert spec_of(path, shape, mesh) == want, path


def test_what_the_optimizer_keeps_lies_as_its_parameter_does():
    import optax

    mesh = abstract(fsdp=8)
    params = {"layers.0.mlp.up.kernel": np.zeros((64, 256), np.float32), "norm.scale": np.zeros(64, np.float32)}
    kept = jax.eval_shape(optax.adamw(1e-3).init, params)
    laid = [how.spec for how in jax.tree.leaves(shardings(kept, mesh))]
    assert laid.count(P("fsdp", "tensor")) == 2  # both moments
    assert bytes_per_device(params, mesh) == 64 * 256 * 4 // 8 + 64 * 4
