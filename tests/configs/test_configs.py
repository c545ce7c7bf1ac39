"""Recipes load, build, and set nothing that no code reads; mistakes on the command line are told in one sentence."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from flax import nnx
from ml_collections import ConfigDict

import mesh_axes
from configs import command_line, defaults, glue, long_range
from configs.argument import parse_argument
from configs.sizes import growing_windows
from errors import InputError
from models import HEADS, MODELS
from models.build import OF_DECODER, builder
from train import model_sizes

ROOT = Path(__file__).resolve().parents[2]
RECIPES = [
    "configs/quickstart.py",
    "configs/quickstart.py:short",
    *(f"configs/pretrain.py:{size},model={model}" for size in ("tiny", "small", "base", "large") for model in MODELS),
    "configs/finetune.py",
    *(f"configs/pretrain.py:{size},model=longformer,further=True" for size in ("base", "large")),
    "configs/short_texts.py",
    *(f"configs/long_texts.py:{name}" for name in ("imdb", "hyperpartisan")),
    "configs/short_texts.py:narrow,length=128",
    *(f"configs/glue.py:{name}" for name in glue.TASKS),
    "configs/finetune.py:base,model=longformer,length=4096",
    *(f"configs/characters.py:{size},stage={stage}" for size in ("tiny", "small", "base") for stage in (0, 1, 5)),
    *(f"configs/translate.py:{size}" for size in ("tiny", "base", "big")),
    *(
        f"configs/denoise.py:{size},objective={o}"
        for size in ("tiny", "base")
        for o in ("denoising", "span_corruption")
    ),
    *(f"configs/summarise.py:{argument}" for argument in ("tiny", "small,model=longformer,length=8192", "led")),
    *(f"configs/semantic_roles.py:{size}" for size in ("tiny", "small", "base", "large")),
    *(f"configs/question_answering.py:{size}" for size in ("tiny", "small", "base", "large")),
    *(f"configs/question_answering.py:{size},whole=4096" for size in ("base", "large")),
    "configs/question_answering.py:small,whole=4096,overlap=True",
    "configs/question_answering.py:tiny,whole=1024,supports=True",
    *(f"configs/wikihop.py:{size}" for size in ("tiny", "base", "large")),
    *(f"configs/coreference.py:{size}" for size in ("tiny", "base", "large")),
    *(f"configs/multiple_choice.py:{size}" for size in ("tiny", "base,part=middle", "large")),
    *(f"configs/long_range.py:{task},net={net}" for task in long_range.REPOSITORY for net in long_range.OF_NETS),
    *(f"configs/long_range.py:{task},settings=paper" for task in long_range.PAPER),
    *(f"configs/long_range.py:{task},settings=reduced,net=local,pretrain=True" for task in long_range.REDUCED),
]
OPTIONS = {"classes": 2, "dropout_rate": 0.1, "mention_tokens": 3, "kept": 0.5}


def parse(*flags: str) -> ConfigDict:
    return command_line.parse(["train.py", *flags])


def leaves(config: ConfigDict, prefix: str = ""):
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_every_recipe_file_is_tried():
    machinery = {"__init__.py", "defaults.py", "sizes.py", "argument.py", "command_line.py", "described.py"}
    files = {p.name for p in (ROOT / "configs").glob("*.py")} - machinery
    assert files == {Path(recipe.partition(":")[0]).name for recipe in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_loads_and_builds(recipe):
    config = parse(f"--config={recipe}")
    net_config, net = MODELS[config.model.name]
    assert set(leaves(config)) == set(leaves(defaults.get_config()))
    if config.model.from_init:  # whose net is another's
        return
    head = HEADS[config.task]
    options = {name: value for name, value in OPTIONS.items() if name in inspect.signature(head.__init__).parameters}
    build = builder(model_sizes(config, net_config), net, head, **options)
    assert nnx.state(nnx.eval_shape(lambda: build(nnx.Rngs(0))))
    assert config.data.length <= config.model.max_positions
    assert config.optimizer.warmup_steps < config.train.steps


def test_every_recipe_that_a_page_names_loads():
    named = re.compile(r"--config=(configs/\w+\.py(?::[\w=,.]+)?)")
    pages = [page for page in ROOT.rglob("*.md") if not {"runs", "venv", ".venv"} & set(page.relative_to(ROOT).parts)]
    found = {
        (page, recipe.rstrip(".,")) for page in pages for recipe in named.findall(page.read_text(encoding="utf-8"))
    }
    assert len(found) > 15
    for page, recipe in sorted(found):
        try:
            parse(f"--config={recipe}")
        except InputError as error:
            pytest.fail(f"{page}: {recipe}: {error}")


def test_every_key_is_read_by_some_code():
    read = set()
    for path in [
        ROOT / "train.py",
        *(ROOT / "tasks").glob("*.py"),
        *(ROOT / "training").glob("*.py"),
        ROOT / "models/config.py",
        ROOT / "decoding/settings.py",
    ]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                read.add(node.target.id)  # a field of a model's sizes, which train.py reads by name
    read |= set(mesh_axes.ALL)  # which training/mesh.py reads by name
    read |= set(OF_DECODER.values())  # likewise models/build.py
    splits = {"train", "validation", "test"}  # read as settings[split]
    assert not [key for key in leaves(defaults.get_config()) if key.split(".")[-1] not in read | splits]


def test_every_key_says_what_it_means():
    lines = (ROOT / "configs/defaults.py").read_text().splitlines()
    bare = [line.strip() for line in lines if " = " in line and "." in line.split(" = ")[0] and "#" not in line]
    assert not [
        line for line in bare if not line.split(" = ")[1].startswith("_")
    ]  # config.model = _model() is a section


def test_overrides_reach_the_config():
    config = parse("--config=configs/quickstart.py", "--config.train.steps=7", "--config.model.windows=(1, 2, 3, 4)")
    assert config.train.steps == 7
    assert config.model.windows == (1, 2, 3, 4)


WRONG = [
    ([], "no config was given"),
    (["--config=configs/quickstrat.py"], r"no recipe file configs/quickstrat.py; did you mean configs/quickstart.py\?"),
    (
        ["--config=configs/quickstart.py", "--config.trian.steps=1"],
        r"'trian.steps'; did you mean --config.train.steps\?",
    ),
    (
        ["--config=configs/quickstart.py", "--config.learning_rate=1"],
        r"did you mean --config.optimizer.learning_rate\?",
    ),
    (["--config=configs/quickstart.py", "--config.train.steps=many"], "config.train.steps=many should be of type int"),
    (["--config=configs/quickstart.py", "--config.train.steps=1.5"], r"should be of type int, as \d+ is"),
    (["--config=configs/quickstart.py", "--config.seed"], "--config.seed has no value"),
    (["--config=configs/sizes.py"], "configs/sizes.py fails: AttributeError"),
    (["--config=configs/quickstart.py:shrot"], r"no size 'shrot' .*; did you mean 'short'\?"),
    (["--config=configs/pretrain.py:tiny,lenght=9"], r"no key 'lenght' .*; did you mean 'length'\?"),
    (["--config=configs/pretrain.py:tiny,length=long"], "length=long should be of type int"),
    (["--config=configs/quickstart.py", "--verbos"], "verbos"),
    (["--config=configs/quickstart.py", "stray"], "'stray' is not a flag"),
]


@pytest.mark.parametrize(("flags", "message"), WRONG, ids=[" ".join(flags) for flags, _ in WRONG])
def test_a_mistake_on_the_command_line_is_told_in_one_sentence(flags, message):
    with pytest.raises(InputError, match=message) as caught:
        parse(*flags)
    assert "\n" not in str(caught.value)


def test_a_recipe_that_sets_an_unknown_key_is_refused(tmp_path):
    recipe = tmp_path / "bad.py"
    lines = [
        "from configs import defaults",
        "def get_config():",
        "    c = defaults.get_config()",
        "    c.train.stepz = 1",
    ]
    recipe.write_text("\n".join([*lines, "    return c"]))
    with pytest.raises(InputError, match=r"bad.py:4 fails: .*stepz.*Did you mean"):
        parse(f"--config={recipe}")


def test_the_argument_casts_to_the_types_of_its_defaults():
    chosen = parse_argument("big,seed=3,rate=1,name=x", sizes=("small", "big"), seed=0, rate=0.5, name="")
    assert vars(chosen) == {"size": "big", "seed": 3, "rate": 1.0, "name": "x"}
    assert isinstance(chosen.rate, float)


def test_windows_may_grow_from_the_bottom_layer_to_the_top():
    config = parse("--config=configs/pretrain.py:base,windows=growing")
    assert config.model.windows == (16, 16, 16, 32, 32, 64, 64, 64, 128, 128, 256, 256)
    assert growing_windows(4, 64) == (8, 16, 32, 64)
    assert growing_windows(1, 64) == (64,)
    with pytest.raises(InputError, match="windows='wide' of the config argument is neither even nor growing"):
        parse("--config=configs/pretrain.py:base,windows=wide")


def test_a_stage_of_characters_starts_from_the_one_before_where_nothing_else_is_said():
    stages = [parse(f"--config=configs/characters.py:small,stage={stage}") for stage in range(1, 6)]
    assert not stages[0].init_from
    assert [stage.init_from for stage in stages[1:]] == [stage.workdir for stage in stages[:-1]]
    assert not parse("--config=configs/characters.py:small").init_from
