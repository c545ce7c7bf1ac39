"""Fine-tuning by low-rank adaptations through train.py."""

import jax
import numpy as np
import pytest

from configs.finetune import ADAPTATIONS_ALONE
from errors import InputError
from training.mesh import ONE_DEVICE, make_mesh
from training.restore import restore_best

PLAIN = "model.name=transformer"
LORA = (PLAIN, "model.lora_rank=2", f"optimizer.rules={ADAPTATIONS_ALONE!r}")


def weights(workdir, best):
    return jax.device_get(restore_best(workdir / "checkpoints", make_mesh(ONE_DEVICE), best=best, verify=True)[0])


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, run):
    workdir = tmp_path_factory.mktemp("pretrained") / "run"
    run(workdir, PLAIN, "train.steps=2", "optimizer.warmup_steps=0")
    return workdir


def test_only_adaptations_and_the_head_move_and_the_result_is_not_taken_for_a_plain_net(pretrained, tmp_path, run):
    steps = ("train.steps=4", "optimizer.warmup_steps=0", "evaluation.every=4", "checkpoint.every=4")
    run(tmp_path / "tuned", *LORA, *steps, f"init_from={pretrained}", recipe="tiny_classifier.py")
    before, after = weights(pretrained, "loss"), weights(tmp_path / "tuned", "loss")
    shared = [path for path in before if path.startswith("encoder.")]
    assert [path for path in shared if not np.array_equal(before[path], after[path])] == []
    moved = [path for path in after if path.endswith("lora_b")]
    assert len(moved) == 2
    assert all(after[path].any() for path in moved)
    run(tmp_path / "tuned", *LORA, *steps, f"init_from={pretrained}", "mode=evaluate", recipe="tiny_classifier.py")
    with pytest.raises(InputError, match=r"its weights are adapted: set model.lora_rank=2"):
        run(tmp_path / "next", PLAIN, f"init_from={tmp_path / 'tuned'}", recipe="tiny_classifier.py")
