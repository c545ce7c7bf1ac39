"""The house's own law: what may import what, and how large a room may grow."""

import ast
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "errors": set(),
    "mesh_axes": set(),
    "layer_stacks": set(),
    "skeleton": {"layer_stacks"},
    "whole_files": {"errors"},
    "tabulated": set(),
    "ops": {"errors", "mesh_axes"},
    "data": {"errors", "whole_files"},
    "metrics": {"errors"},
    "models": {"errors", "layer_stacks", "ops"},
    "pretrained": {"errors", "layer_stacks", "models", "ops", "skeleton", "whole_files"},
    "decoding": {"errors", "ops"},
    "tasks": {"errors", "ops", "data", "metrics", "decoding", "whole_files"},
    "training": {
        "errors",
        "configs.defaults",
        "decoding.compiled",
        "layer_stacks",
        "mesh_axes",
        "skeleton",
        "tasks.task",
        "whole_files",
    },
    "configs": {"errors"},
    "harness": {"errors", "data", "decoding", "models", "pretrained", "skeleton", "training"},
    "sweeps": {"errors", "configs", "models", "tabulated", "training.notice", "whole_files"},
    "train": {"errors", "configs", "models", "pretrained", "skeleton", "tasks", "training"},
}
FLOORS = [name for name in ALLOWED if (ROOT / name).is_dir()]


def sources(floor: str) -> list[Path]:
    return sorted((ROOT / floor).rglob("*.py")) if (ROOT / floor).is_dir() else [ROOT / f"{floor}.py"]


def imports(path: Path) -> set[str]:
    """Dotted names of this project that `path` imports, in full."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {name for name in found if name.split(".")[0] in {*ALLOWED, "experiments", "tests"}}


@pytest.mark.parametrize("floor", ALLOWED)
def test_a_floor_imports_only_what_lies_below_it(floor):
    for path in sources(floor):
        for name in imports(path):
            own = name.split(".")[0] == floor
            allowed = any(name == may or name.startswith(f"{may}.") for may in ALLOWED[floor])
            parent_of_allowed = any(may.startswith(f"{name}.") for may in ALLOWED[floor])
            assert own or allowed or parent_of_allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("floor", FLOORS)
def test_no_module_imports_itself_through_others(floor):
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in sources(floor)}
    edges = {name: {i for i in imports(path) if i in modules and i != name} for name, path in modules.items()}

    def walk(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        for below in edges[name]:
            walk(below, (*above, name))

    for name in modules:
        walk(name, ())


def test_the_data_floor_hands_out_numpy():
    for path in sources("data"):
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names = {a.name for n in tree if isinstance(n, ast.Import) for a in n.names}
        assert not {"jax", "flax", "jax.numpy"} & names, f"{path} imports an array library of the device"


def test_no_file_is_named_for_nothing_in_particular():
    vague = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "base.py"}
    assert not [p for floor in ALLOWED for p in sources(floor) if p.name in vague]


def test_train_py_stays_an_entry():
    assert len((ROOT / "train.py").read_text().splitlines()) <= 120


def test_no_source_file_grows_past_300_lines():
    long = {
        str(p.relative_to(ROOT)): n
        for floor in ALLOWED
        for p in sources(floor)
        if (n := len(p.read_text().splitlines())) > 300
    }
    assert not long


def test_what_a_table_names_leaves_nothing_unwritten():
    from models import HEADS, MODELS
    from tasks import TASKS

    for made in (*TASKS.values(), *HEADS.values(), *(net for _, net in MODELS.values())):
        assert not inspect.isabstract(made), f"{made.__name__} lacks {', '.join(made.__abstractmethods__)}"
