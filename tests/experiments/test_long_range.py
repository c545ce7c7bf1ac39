"""The makers of Long Range Arena data: the published settings, the same bytes every time, and answers that hold."""

import io
import itertools
import json
import math
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.records import Record
from data.tokenizer import Tokenizer
from errors import InputError
from experiments.long_range import images, listops, pathfinder
from experiments.long_range.sequences import generator
from experiments.long_range.sweep import get_sweep

ROOT = Path(__file__).resolve().parents[2]
SHORT = listops.Settings(train=60, validation=10, test=10, depth=4, arguments=4, shortest=5, longest=40)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("[MAX 4 3 [MIN 2 3 ] 1 0 ]", 4),
        ("[MED 1 9 3 ]", 3),
        ("[MED 4 7 ]", 5),  # the mean of the middle two, cut
        ("[SM 9 9 [SM 5 4 ] ]", 7),
    ],
)
def test_an_expression_has_its_value(text, value):
    assert listops.evaluated(text) == value


@pytest.mark.parametrize("text", ["", "[MAX 1", "[MAX ]", "1 2", "]", "12", "[SUM 1 2 ]"])
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(ValueError, match=r"token|closed"):
        listops.evaluated(text)


def test_labels_are_the_values_of_the_texts_and_lengths_are_within_bounds():
    for each in itertools.islice(listops.expressions(SHORT, "train"), 200):
        assert listops.evaluated(each.text) == int(each.label)
        assert 5 < len(each.text.split()) < 40
        assert set(each.text.split()) <= set(listops.WORDS)


def test_the_published_settings_make_what_was_published():
    """Of 4,000 generated examples 17.5 % have the commonest value, and the mean length is 1,062; here of 300."""
    made = list(itertools.islice(listops.expressions(listops.Settings(), "train"), 300))
    lengths = [len(each.text.split()) for each in made]
    assert min(lengths) > 500
    assert max(lengths) < 2000
    assert np.mean(lengths) == pytest.approx(1062, abs=90)  # 3.7 standard errors
    assert np.mean([each.label in "09" for each in made]) == pytest.approx(0.347, abs=0.1)


def test_another_process_writes_the_same_bytes_and_no_text_comes_twice(tmp_path):
    arguments = [f"--{key}={getattr(SHORT, key)}" for key in listops.Settings.__dataclass_fields__]
    command = [sys.executable, "-m", "experiments.long_range.listops", f"--to={tmp_path / 'a'}", *arguments]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "train.jsonl: 60" in told
    listops.write(SHORT, tmp_path / "b")
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl", "tokenizer.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    texts = [
        line["text"] for split in ("train", "validation", "test") for line in lines(tmp_path / "b" / f"{split}.jsonl")
    ]
    assert len(set(texts)) == 80


def test_ids_follow_the_sorted_words(tmp_path):
    listops.write(SHORT, tmp_path)
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.encode("0 9 [MAX [MED [MIN [SM ]").tolist() == [5, 14, 15, 16, 17, 18, 19]
    assert tokenizer.vocab_size == 20
    assert tokenizer.mask_id == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shortest": 40}, "no length lies between"),
        ({"arguments": 1}, "arguments 2 or more"),
        ({"depth": 2, "shortest": 20, "longest": 60}, "make at most 6 tokens"),
    ],
)
def test_settings_that_make_nothing_are_refused(changes, message):
    given = {key: getattr(SHORT, key) for key in listops.Settings.__dataclass_fields__}
    with pytest.raises(InputError, match=message):
        listops.Settings(**given | changes)


def test_too_few_different_expressions_are_told_instead_of_looked_for_for_ever(tmp_path):
    few = listops.Settings(train=5000, validation=1, test=1, depth=2, arguments=2, shortest=3, longest=5)
    with pytest.raises(InputError, match=r"only 4\d\d of 5000 different"):  # 4 operators, 100 pairs
        listops.write(few, tmp_path)


def test_pixels_are_read_row_by_row_and_a_tenth_of_each_class_is_held_out(tmp_path):
    for split, count in (("train", 20), ("test", 3)):
        with tarfile.open(tmp_path / f"{split}.tar.xz", "w:xz") as archive:
            for name, number in itertools.product(("cat", "dog"), range(count)):
                pixels = np.zeros((32, 32, 3), np.uint8)
                pixels[0, 1] = number
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "png")
                entry = tarfile.TarInfo(f"{split}/{name}/{number:04}.png")
                entry.size = file.tell()
                file.seek(0)
                archive.addfile(entry, file)
    assert len(images.prepare(tmp_path, tmp_path / "out")) == 3
    train, validation, test = (lines(tmp_path / "out/image" / f"{s}.jsonl") for s in ("train", "validation", "test"))
    assert [len(train), len(validation), len(test)] == [36, 4, 6]
    assert train[0]["text"].split()[:3] == ["00", "01", "00"]
    assert len(train[0]["text"].split()) == 1024
    assert [line["label"] for line in validation] == ["cat", "cat", "dog", "dog"]
    assert Tokenizer.load(tmp_path / "out/image").vocab_size == 261


def test_images_of_tfds_are_grey_with_their_numbers(monkeypatch):
    colours = np.zeros((32, 32, 3), np.uint8)
    colours[0, 0] = (0, 255, 0)
    asked = {}

    def read(name, **how):
        asked.update(how, name=name)
        return [Record({"image": colours, "label": 7}, "cifar10/test:0")]

    monkeypatch.setattr(images, "read_tfds", read)
    (found,) = images.from_tfds("test")
    assert (found.label, found.text.split()[:2]) == ("7", ["96", "00"])  # 0.587 of 255
    assert (asked["name"], asked["split"], asked["fields"]) == ("cifar10", "test", ("image", "label"))


def test_what_is_no_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"train.tar.xz: no such file"):
        images.prepare(tmp_path, tmp_path / "out")
    with tarfile.open(tmp_path / "train.tar.xz", "w:xz") as archive:
        entry = tarfile.TarInfo("train/cat/1.png")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
    with pytest.raises(InputError, match=r"train/cat/1.png is not an image"):
        images.prepare(tmp_path, tmp_path / "out")
    with tarfile.open(tmp_path / "train.tar.xz", "w:xz") as archive:
        entry = tarfile.TarInfo("train/cat/1.png")
        entry.size = 10_000
        archive.addfile(entry, io.BytesIO(np.random.default_rng(0).bytes(entry.size)))
    whole = bytearray((tmp_path / "train.tar.xz").read_bytes())
    whole[len(whole) // 2] ^= 1
    (tmp_path / "train.tar.xz").write_bytes(whole)
    with pytest.raises(InputError, match=r"train.tar.xz: the archive is cut short or damaged"):
        images.prepare(tmp_path, tmp_path / "out")


def test_a_picture_is_the_same_whichever_others_are_drawn():
    settings = pathfinder.Settings(train=1, validation=1, test=1, dashes=8, distractors=2)
    found = pathfinder.picture(settings, "train", 5)
    assert found == pathfinder.picture(settings, "train", 5)
    assert found != pathfinder.picture(settings, "train", 6)
    assert found != pathfinder.picture(settings, "test", 5)
    assert len(found.text.split()) == 32 * 32
    assert found.label in ("connected", "apart")


def test_dots_are_on_one_curve_or_on_two_and_as_far_apart_either_way():
    random = generator(0, "test")
    for _ in range(10):
        curves, dots = pathfinder.placed(random, 8, 2)
        assert len(curves) == 4
        ends = [{curve[0][0], curve[-1][1]} for curve in curves[:2]]
        assert set(dots[True]) in ends
        assert all(len(set(dots[False]) & each) == 1 for each in ends)
        assert abs(math.dist(*dots[True]) - math.dist(*dots[False])) <= pathfinder.ALIKE


def test_curves_keep_away_from_each_other():
    """At least the distance that is asked for, less the rounding to half units of both points."""
    random = generator(1, "test")
    curves, _ = pathfinder.placed(random, 8, 3)
    for one, other in itertools.combinations(curves, 2):
        nearest = min(
            math.dist(a, b) for x in one for y in other for a in pathfinder._points(x) for b in pathfinder._points(y)
        )
        assert nearest >= pathfinder.APART - 2 * math.hypot(0.5, 0.5) / 2 - 0.01


def test_a_picture_shows_its_curves_white_on_black():
    curves, dots = pathfinder.placed(generator(2, "test"), 8, 2)
    picture = pathfinder.drawn(curves, dots[True], 64)
    assert picture.shape == (64, 64)
    for point in dots[True]:
        assert picture[round(point[1] * 2), round(point[0] * 2)] == 255
    assert 0.03 < (picture > 127).mean() < 0.2


def test_labels_are_learnt_from_the_net_of_their_own_seed_that_learnt_the_inputs():
    inputs, after = (get_sweep(f"listops-local-{stage}").points() for stage in ("inputs", "after"))
    for one, other in zip(inputs, after, strict=True):
        assert f"--config.init_from={one.workdir}" in other.commands[0]
        assert any("pretrain=True" in word for word in one.commands[0])
        assert not any("pretrain=True" in word for word in other.commands[0])
    with pytest.raises(InputError, match="is no net of transformer, local"):
        get_sweep("listops-lstm")


def test_path_settings_that_find_no_place_are_refused():
    with pytest.raises(InputError, match="dashes=40 should be 3 to 16"):
        pathfinder.Settings(dashes=40)
    with pytest.raises(InputError, match="side=8 pixels is too small"):
        pathfinder.Settings(side=8)


def test_curves_that_find_no_place_are_told_instead_of_looked_for_for_ever(monkeypatch):
    monkeypatch.setattr(pathfinder, "STARTS", 5)
    with pytest.raises(InputError, match="two curves of 14 dashes and 60 short ones found no place"):
        pathfinder.placed(generator(2, "test"), 14, 60)


@pytest.mark.parametrize("make", [listops.main, pathfinder.main])
def test_a_place_where_nothing_can_be_written_is_told(make, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert make([f"--to={tmp_path}/file/data", "--train=1", "--validation=1", "--test=1"]) == 2
    assert "file" in capsys.readouterr().err.partition(":")[0]
