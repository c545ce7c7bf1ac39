"""Settings that a recipe says are those of a paper."""

import pytest

from configs import characters, glue, long_range, multiple_choice, pretrain, summarise, translate


@pytest.mark.parametrize(
    ("stage", "steps", "rows"), [(1, 430_000, 32), (2, 50_000, 32), (3, 50_000, 16), (5, 5_000, 16)]
)
def test_characters_by_stages_at_base_are_table_12s(stage, steps, rows):
    config = characters.get_config(f"base,stage={stage}")
    assert (config.train.steps, config.train.batch_size) == (steps, rows)
    assert config.train.batch_size // config.train.accumulation == 32 // 2 ** (stage - 1)  # rows at once
    assert (config.optimizer.schedule, config.optimizer.clip_norm, config.optimizer.weight_decay) == (
        "constant",
        0.25,
        0.01,
    )
    assert config.optimizer.warmup_steps == min(steps // 10, 10_000)


def test_what_the_papers_do_not_clip_or_decay_is_neither():
    assert pretrain.get_config("base,model=transformer").optimizer.clip_norm == 0
    assert pretrain.get_config("tiny,model=transformer").optimizer.clip_norm > 0
    assert glue.get_config("mnli").optimizer.clip_norm == multiple_choice.get_config("base").optimizer.clip_norm == 0
    first = translate.get_config("base").optimizer
    assert (first.clip_norm, first.weight_decay) == (0, 0)


def test_an_abstract_has_room():
    assert summarise.get_config("led").data.target_length == 512
    assert summarise.get_config("tiny").data.target_length == 128


def test_path_x_has_the_repositorys_settings():
    """LRA's image/configs/pathfinder128/base_pathfinder128_config.py: 160,000 pictures, 64 at a time, 200 times."""
    config = long_range.get_config("path_x")
    assert (config.train.batch_size, config.train.steps) == (64, 160_000 // 64 * 200)
    assert config.optimizer.warmup_steps == config.evaluation.every == 160_000 // 64
    assert (config.model.pooling, config.model.positions) == ("mean", "learned")
    assert (config.model.depth, config.model.heads, config.model.width, config.model.mlp_width) == (1, 2, 32, 32)
    assert (config.optimizer.clip_norm, config.optimizer.learning_rate, config.data.length) == (1.0, 1e-3, 16_386)
