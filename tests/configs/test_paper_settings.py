"""Settings that a recipe says are those of a paper."""

import pytest

from configs import characters, pretrain, summarise, translate


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
    first = translate.get_config("base").optimizer
    assert (first.clip_norm, first.weight_decay) == (0, 0)


def test_an_abstract_has_room():
    assert summarise.get_config("led").data.target_length == 512
    assert summarise.get_config("tiny").data.target_length == 128
