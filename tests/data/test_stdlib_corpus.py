import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.stdlib import read_stdlib
from errors import InputError

ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def corpus():
    return read_stdlib()


def names(records):
    return [record.origin for record in records]


def test_the_corpus_is_some_megabytes_of_sources_and_docs(corpus):
    print(corpus, len(corpus.validation), corpus.unreadable)
    assert corpus.files == len(corpus.train) + len(corpus.validation) > 400
    assert corpus.size > 5e6
    assert {"argparse.py", "json/decoder.py"} <= set(names(corpus.train) + names(corpus.validation))
    assert all(record.values["text"].strip() for record in (*corpus.train, *corpus.validation))


def test_packages_tests_and_caches_are_left_out(corpus):
    parts = {part for name in names(corpus.train) + names(corpus.validation) for part in name.split("/")}
    assert not parts & {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}


def test_documents_are_sorted_and_in_one_split(corpus):
    for split in (corpus.train, corpus.validation):
        assert names(split) == sorted(names(split))
    assert not set(names(corpus.train)) & set(names(corpus.validation))
    share = len(corpus.validation) / corpus.files
    print("validation share of files:", share)
    assert 0.02 < share < 0.09


def test_a_cap_keeps_a_part_of_the_larger_corpus(corpus):
    small, middle = read_stdlib(max_bytes=500_000), read_stdlib(max_bytes=2_000_000)
    assert small.size <= 500_000 < middle.size <= 2_000_000
    assert small.size > 450_000
    assert set(names(middle.train)) <= set(names(corpus.train))
    assert set(names(middle.validation)) <= set(names(corpus.validation))
    assert names(read_stdlib(max_bytes=500_000).train) == names(small.train)


def test_a_library_too_small_for_both_splits_is_refused(tmp_path):
    (tmp_path / "one.py").write_text("x = 1\n")
    with pytest.raises(InputError, match="too few library sources"):
        read_stdlib(root=tmp_path)
    with pytest.raises(InputError, match="within 10 bytes"):
        read_stdlib(max_bytes=10)


def test_declared_encodings_are_honoured_and_undecodable_files_are_named(tmp_path):
    for i in range(60):
        (tmp_path / f"m{i}.py").write_text(f"x = {i}\n")
    (tmp_path / "latin.py").write_bytes("# -*- coding: latin-1 -*-\n# é\n".encode("latin-1"))
    (tmp_path / "broken.py").write_bytes(b"# \xff\n")
    (tmp_path / "empty.py").write_bytes(b"")
    found = read_stdlib(root=tmp_path)
    texts = {r.origin: r.values["text"] for r in (*found.train, *found.validation)}
    assert texts["latin.py"].endswith("# é\n")
    assert found.unreadable == ("broken.py",)
    assert found.files == 61
    assert found.size == sum((tmp_path / name).stat().st_size for name in texts)


PRINT_SPLITS = """
import json
from data.stdlib import read_stdlib
corpus = read_stdlib(max_bytes=1_000_000)
print(json.dumps([[r.origin for r in split] for split in (corpus.train, corpus.validation)]))
"""


def test_another_process_and_hash_seed_reads_the_same(corpus):
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": ROOT}
    printed = subprocess.run(
        [sys.executable, "-c", PRINT_SPLITS], env=environment, capture_output=True, text=True, check=True
    )
    here = read_stdlib(max_bytes=1_000_000)
    assert json.loads(printed.stdout) == [names(here.train), names(here.validation)]
