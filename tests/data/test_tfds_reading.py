import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from configs import defaults
from data.choices import choice_examples
from data.questions import read_questions
from data.records import Record
from data.tfds import TfdsSource, read_tfds
from errors import InputError
from tasks.texts import read_split

ROOT = str(Path(__file__).parents[2])

# TFDS imports much; what it warns about is not ours to repair.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    sys.path.insert(0, str(Path(__file__).parent))
    import tiny_tfds_builder  # noqa: F401

    directory = tmp_path_factory.mktemp("tfds")
    read_tfds("tiny_reviews", split="train", data_dir=directory, prepare=True)
    yield directory
    sys.path.remove(str(Path(__file__).parent))


def test_records_are_read_at_random_with_text_as_str(prepared):
    source = read_tfds("tiny_reviews", split="train", data_dir=prepared, fields=("text", "label"))
    assert len(source) == 20
    assert all(isinstance(record, Record) for record in source)
    assert sorted(record.values["text"] for record in source) == sorted(f"review {i} é" for i in range(20))
    assert source[3].origin == "tiny_reviews/train:3"
    assert set(source[3].values) == {"text", "label"}
    assert type(source[3].values["label"]) is int
    assert source[3].classes == {"label": ("neg", "pos")}
    assert source[-1] == source[19]
    assert source[2:4] == [source[2], source[3]]
    with pytest.raises(IndexError):
        source[20]


def test_a_part_of_a_split_can_be_asked_for(prepared):
    part = read_tfds("tiny_reviews", split="train[:25%]", data_dir=prepared)
    assert len(part) == 5
    assert part[0].values == read_tfds("tiny_reviews", split="train", data_dir=prepared)[0].values


def test_a_prepared_directory_is_enough_without_the_builders_code_and_tensorflow_stays_out(prepared):
    program = f"""
import sys
from data.tfds import TfdsSource, read_tfds
source = read_tfds("tiny_reviews", split="test", data_dir={str(prepared)!r})
assert len(source) == 3 and source[0].values["text"].startswith("review")
assert "tensorflow" not in sys.modules and "tiny_tfds_builder" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": ROOT}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_squads_answers_are_read_as_from_its_json(prepared, tmp_path):
    read_tfds("tiny_squad", split="train", data_dir=tmp_path, fields=("id",), prepare=True)
    how = {"fields": ("id", "context", "question", "answers"), "optional": ("is_impossible", "nothing_such")}
    records = read_tfds("tiny_squad", split="train", data_dir=tmp_path, **how)
    found = {question.id: question for question in read_questions(records, labelled=True).all}
    assert {number: question.answer_texts for number, question in found.items()} == {
        "q0": ("Ålesund", "past"),
        "q1": (),
        "q2": ("whale",),
    }
    assert found["q0"].origin.startswith("tiny_squad/train:")
    record = next(record for record in records if record.values["id"] == "q0")
    assert record.values["answers"] == {"answer_start": [20, 15], "text": ["Ålesund", "past"]}
    assert record.values["is_impossible"] is False


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("imdb_review", {}, r"no data set 'imdb_review'.*did you mean imdb_reviews"),
        ("glu/sst2", {}, r"no data set 'glu/sst2'.*did you mean.* glue"),
        (
            "imdb_reviews",
            {},
            r"not prepared in .*data.prepare=True, or run once: tfds build imdb_reviews --file_format=array_rec",
        ),
        ("glue/sst2", {}, r"glue/sst2 is not prepared"),
        ("glue/sst3", {}, r"'glue/sst3' cannot be opened"),
        ("tiny_reviews", {"split": "valid"}, r"no split 'valid'; it has train, test"),
        ("tiny_reviews", {"split": "train[:x%]"}, r"no split 'train\[:x%\]'"),
        ("tiny_reviews", {"split": "train[:0]"}, r"no split 'train\[:0\]', or no example in it"),
        ("tiny_reviews", {"split": "train[5:3]"}, r"no split 'train\[5:3\]', or no example in it"),
        ("tiny_reviews", {"fields": ("review",)}, r"no field 'review'; it has text, label, stars"),
        ("needs_tensorflow", {"prepare": True}, r"needs the package tensorflow to be prepared, though not to be read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(name, options, match, prepared):
    with pytest.raises(InputError, match=match) as refusal:
        read_tfds(name, **({"split": "train", "data_dir": prepared} | options))
    assert "\n" not in str(refusal.value)


DAMAGED = {
    "hash mismatch": lambda file: file.write_bytes(file.read_bytes().replace(b"review", b"Review")),
    "there is nothing": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "No such file": Path.unlink,
}


@pytest.mark.parametrize("message", DAMAGED)
def test_an_example_of_a_damaged_file_is_named(message, prepared, tmp_path):
    import tensorflow_datasets as tfds

    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    (file,) = tmp_path.rglob("*-train.array_record*")
    DAMAGED[message](file)
    source = tfds.builder("tiny_reviews", data_dir=tmp_path).as_data_source(split="train")
    with pytest.raises(InputError, match=rf"tiny_reviews/train:4: .* damaged or not all there \(.*{message}"):
        TfdsSource(source, ("text",), "tiny_reviews/train")[4]


def test_a_damaged_description_of_a_data_set_is_one_sentence(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    (file,) = tmp_path.rglob("dataset_info.json")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError, match=r"'tiny_reviews' cannot be opened \(ParseError: ") as refusal:
        read_tfds("tiny_reviews", split="train", data_dir=tmp_path)
    assert "\n" not in str(refusal.value)


def test_other_file_formats_are_read_if_they_allow_random_access_and_refused_otherwise(prepared, tmp_path):
    import tensorflow_datasets as tfds

    tfds.builder("tiny_reviews", data_dir=tmp_path, file_format="parquet").download_and_prepare()
    found = read_tfds("tiny_reviews", split="test", data_dir=tmp_path)
    assert [record.values for record in found] == [
        record.values for record in read_tfds("tiny_reviews", split="test", data_dir=prepared)
    ]
    for part in tmp_path.rglob("dataset_info.json"):
        part.write_text(part.read_text().replace('"parquet"', '"tfrecord"'))
    with pytest.raises(InputError, match=r"tiny_reviews .* is stored as tfrecord, which cannot be read at random"):
        read_tfds("tiny_reviews", split="train", data_dir=tmp_path)


def test_a_config_names_a_split_and_may_have_it_prepared(prepared, tmp_path):
    settings = defaults.get_config().data
    settings.update(source="tfds", name="tiny_reviews", directory=str(tmp_path), train="train[:3]")
    with pytest.raises(InputError, match="tiny_reviews is not prepared in"):
        read_split(settings, "train", fields=("text",))
    settings.prepare = True
    assert [record.values["text"][:6] for record in read_split(settings, "train", fields=("text",))] == ["review"] * 3


@pytest.mark.parametrize("questions", [["Was _?", "Wer?"], ["Wer?"]])
def test_lists_of_questions_with_lists_of_options_as_race_has_them_are_lists_of_texts(questions, tokenizer):
    """From bytes as TFDS stores them: to prepare lists of lists it needs TensorFlow, to read them it does not."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.proto import tf_example_pb2

    stored, options = tf_example_pb2.Example(), [["é", "b", "c"], ["w", "x", "y", "z"]][: len(questions)]
    columns = {"article": ["Ein Wal."], "questions": questions, "answers": ["C", "D"][: len(questions)]}
    columns["options/ragged_flat_values"] = [text for each in options for text in each]
    for name, texts in columns.items():
        stored.features.feature[name].bytes_list.value.extend(text.encode() for text in texts)
    stored.features.feature["options/ragged_row_lengths_0"].int64_list.value.extend(map(len, options))
    text = tfds.features.Text()
    texts = tfds.features.Sequence(text)
    features = {"article": text, "questions": texts, "answers": texts, "options": tfds.features.Sequence(texts)}
    example = tfds.features.FeaturesDict(features).deserialize_example_np(stored.SerializeToString())
    (record,) = TfdsSource([example], tuple(features), "race/high")
    assert record.values == {
        "article": "Ein Wal.",
        "questions": questions,
        "answers": columns["answers"],
        "options": options,
    }
    named = {"text": "article", "question": "questions", "choices": "options", "label": "answers"}
    found = choice_examples([record], tokenizer, length=32, **named)
    assert found.labels.tolist() == [2, 3][: len(questions)]
    assert found.origins[-1] == f"race/high:0, question {len(questions)}"
