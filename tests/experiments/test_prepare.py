import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from errors import InputError
from experiments.finetuning.articles import ARTICLES, SPLITS, TRUTH, disjoint_splits, published_splits, read_articles
from experiments.finetuning.prepare import main, prepare

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "finetuning" / "prepare.py"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def reviews(*changes: dict) -> str:
    records = [
        {"id": f"cv{fold}", "label": label, "fold": fold, "text": f"a {label} film {fold} \nend"}
        for fold in range(9)
        for label in ("neg", "pos")
    ]
    return "".join(json.dumps(record) + "\n" for record in [*records, *changes])


def articles(
    source: Path, bodies: dict[int, str], splits: dict[str, list[int]], labels: dict[int, str] | None = None
) -> Path:
    directory = source / "hyperpartisan"
    inner = "".join(f'<article id="{n:07}" title="left out">{body}</article>\n' for n, body in bodies.items())
    write(directory / ARTICLES, f'<?xml version="1.0" encoding="UTF-8"?><articles>\n{inner}</articles>')
    labels = labels or {n: "true" if n % 2 else "false" for n in bodies}
    inner = "".join(f'<article hyperpartisan="{label}" id="{n:07}"/>\n' for n, label in labels.items())
    write(directory / TRUTH, f'<?xml version="1.0" ?>\n<articles>\n{inner}</articles>')
    (directory / SPLITS).write_text(json.dumps(splits))
    return directory


def test_the_folds_of_the_film_reviews_become_splits(tmp_path):
    write(tmp_path / "movie_reviews" / "reviews_folds0-8.jsonl.gz", reviews())
    train, validation, test = prepare(tmp_path, tmp_path / "out")
    assert [len(summary.words) for summary in (train, validation, test)] == [14, 2, 2]
    assert lines(test.path) == [{"text": f"a {label} film 8 \nend", "label": label} for label in ("neg", "pos")]
    assert test.shared == 0
    assert "14 texts (neg 50.0%, pos 50.0%), words: median 5, 95th percentile 5" in str(train)


def test_articles_become_plain_text_with_a_line_for_each_paragraph(tmp_path):
    body = 'Loose\nwords <p>One <a href="x">link</a>,\n two.</p> <p>R&amp;D &amp;amp; &amp;lt;3</p><p> </p>tail'
    found = list(read_articles(articles(tmp_path, {7: body}, {"train": [7], "dev": [], "test": []})))
    assert [(article.number, article.label) for article in found] == [(7, "true")]
    assert found[0].text == "Loose words\nOne link, two.\nR&D & <3\ntail"


def test_no_test_article_is_trained_on_though_the_published_split_repeats_some(tmp_path):
    bodies = {n: f"<p>text {n}</p>" for n in range(8)} | {8: "<p>text 1</p>"}  # 8 repeats the text of a test article
    directory = articles(tmp_path, bodies, {"train": [0, 1, 2, 3], "dev": [4, 5], "test": [1, 5]})
    by_number = {article.number: article for article in read_articles(directory)}
    splits = disjoint_splits(published_splits(directory / SPLITS), by_number)
    assert splits == {"train": [0, 2, 3, 6, 7], "validation": [4], "test": [1, 5]}
    summaries = {str(s.path.relative_to(tmp_path)): s for s in prepare(tmp_path, tmp_path / "out")}
    assert summaries["out/hyperpartisan/test.jsonl"].shared == 0
    assert summaries["out/hyperpartisan_published/test.jsonl"].shared == 1
    assert {"text": "text 1", "label": "true"} in lines(tmp_path / "out" / "hyperpartisan_published" / "train.jsonl")


def test_sentences_get_named_labels(tmp_path):
    for name in ("train", "dev", "test"):
        write(tmp_path / "sst2" / f"{name}.tsv.gz", f'a "quoted {name}\t1\nnot good\t0\n')
    _, validation, _ = prepare(tmp_path, tmp_path / "out")
    assert lines(validation.path) == [
        {"text": 'a "quoted dev', "label": "positive"},
        {"text": "not good", "label": "negative"},
    ]
    assert validation.shared == 1


def test_novels_are_copied_byte_for_byte(tmp_path):
    for name in ("train", "valid", "test"):
        write(tmp_path / "gutenberg_novels" / name / "Book_1.txt.gz", f"Call me {name}.\n\nThe end.\n")
    summaries = prepare(tmp_path, tmp_path / "out")
    given = tmp_path / "gutenberg_novels" / "valid" / "Book_1.txt.gz"
    assert (tmp_path / "out" / "gutenberg_novels" / "validation" / given.name).read_bytes() == given.read_bytes()
    assert summaries[1].words == [5]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('{"text": "x", "label": "neg", "fold": 11}', ":19: should be an object with text, label and a fold"),
        ('{"text": "x", "label": "neutral", "fold": 1}', ":19: has the label 'neutral'; it should be one of neg, pos"),
        ('{"text": " ", "label": "neg", "fold": 1}', ":19: holds no text"),
        ("{", ":19: should be an object"),
    ],
)
def test_a_malformed_review_is_refused_with_its_line(tmp_path, change, told):
    write(tmp_path / "movie_reviews" / "reviews_folds0-8.jsonl.gz", reviews() + change + "\n")
    with pytest.raises(InputError, match=told):
        prepare(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out" / "movie_reviews").exists()


def test_a_sentence_without_a_label_is_refused_with_its_line_and_nothing_is_left_half_written(tmp_path):
    for name in ("train", "dev", "test"):
        write(tmp_path / "sst2" / f"{name}.tsv.gz", "fine\t1\nno label\n")
    with pytest.raises(InputError, match=r"train\.tsv\.gz:2: should be a sentence, a tab and 0 or 1"):
        prepare(tmp_path, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == []


def test_articles_that_do_not_fit_together_are_refused_by_number(tmp_path):
    splits = {"train": [0], "dev": [1], "test": [2]}
    bodies = {0: "a", 1: "b", 2: "c"}
    for change, told in (
        ({"splits": {**splits, "test": [9]}}, "test names article 9, which the articles file does not hold"),
        ({"splits": {**splits, "dev": [1, 1]}}, "'dev' names an article twice"),
        ({"labels": {0: "true", 1: "true"}}, "article 2 has no label"),
        ({"labels": {0: "true", 1: "maybe", 2: "true"}}, "article 1 has hyperpartisan='maybe'"),
        ({"bodies": {**bodies, 1: "<p> </p>"}}, "article 1 holds no text"),
        ({"bodies": {**bodies, 1: "<p>"}}, r"xml\.gz:\d+: is not valid XML"),
    ):
        articles(tmp_path, **{"bodies": bodies, "splits": splits} | change)
        with pytest.raises(InputError, match=told):
            prepare(tmp_path, tmp_path / "out")


def test_a_damaged_file_is_refused_by_name(tmp_path):
    path = tmp_path / "movie_reviews" / "reviews_folds0-8.jsonl.gz"
    write(path, reviews())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="cut short or damaged"):
        prepare(tmp_path, tmp_path / "out")
    path.write_bytes(gzip.compress(b"\xff\xfe\n"))
    with pytest.raises(InputError, match=r"gz:1: is not UTF-8"):
        prepare(tmp_path, tmp_path / "out")
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        prepare(tmp_path, tmp_path / "out")


def test_the_script_prints_a_line_for_each_file(tmp_path, capsys):
    write(tmp_path / "movie_reviews" / "reviews_folds0-8.jsonl.gz", reviews())
    assert main([f"--source={tmp_path}", f"--out={tmp_path / 'out'}"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/")[2].partition(":")[0] for line in told] == [
        "train.jsonl", "validation.jsonl", "test.jsonl",
    ]  # fmt: skip


def test_the_script_runs_by_its_path_and_says_what_is_missing_in_one_sentence(tmp_path):
    command = [sys.executable, str(SCRIPT), f"--source={tmp_path}", f"--out={tmp_path / 'out'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "holds none of gutenberg_novels, movie_reviews, hyperpartisan, sst2" in done.stderr
