"""How what went wrong is told to whoever started it."""

import errno

import pytest

from errors import ApartError, InputError, status_of, told_status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("a key"), 2),
        (FloatingPointError("not finite"), 2),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "train.jsonl"), 2),
        (OSError(errno.ENOSPC, "No space left on device", "checkpoints"), 2),
        (ApartError("they did not find each other"), 1),
        (OSError(errno.ESTALE, "Stale file handle", "checkpoints"), 1),
        (ValueError("a defect of ours"), 1),
    ],
    ids=str,
)
def test_status_2_is_of_what_would_end_the_same_way(error, status):
    assert status_of(error) == status


def test_what_was_given_is_told_in_a_sentence_and_a_defect_keeps_its_traceback(capsys):
    def refuse():
        raise InputError("train.steps=0 must be at least 1")

    def fail():
        raise OSError("without a file")

    assert told_status(lambda: 143) == 143
    assert told_status(refuse, who="sweeps: ") == 2
    assert capsys.readouterr().err == "sweeps: train.steps=0 must be at least 1\n"
    with pytest.raises(OSError, match="without a file"):
        told_status(fail)
