"""Causal language models and encoder-decoders through train.py: they learn, go on, are scored, and refuse."""

import io
import json
import sys

import numpy as np
import pytest
from tokenizers.pre_tokenizers import ByteLevel

from errors import InputError
from tests.tasks.files import write_lines
from tests.training.conftest import WORDS, read_lines

SHORT = ("train.steps=8", "optimizer.warmup_steps=0", "log.every=1", "evaluation.every=8", "checkpoint.every=4")
CAUSAL = ("task=causal_lm", "model.causal=True", "data.global_tokens=none")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Texts, and the same words the other way round."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(1)
    for split, count in (("train", 40), ("validation", 10)):
        rows = [rng.choice(WORDS[:40], rng.integers(2, 6)).tolist() for _ in range(count)]
        lines = [json.dumps({"text": " ".join(row), "target": " ".join(row[::-1])}) for row in rows]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def of(pairs):
    return (f"data.train={pairs}/train.jsonl", f"data.validation={pairs}/validation.jsonl")


def result(directory):
    return json.loads((directory / "result_validation.json").read_text())


@pytest.mark.parametrize("model", [pytest.param("transformer", marks=pytest.mark.slow), "longformer"])
def test_a_causal_model_learns_and_going_on_is_as_if_it_had_not_stopped(corpus, tmp_path, run, model):
    flags = (*SHORT, *CAUSAL, f"model.name={model}", "evaluation.stride=16")
    run(tmp_path / "whole", *flags)
    run(tmp_path / "apart", *flags)
    (tmp_path / "apart" / "checkpoints" / "8").rename(tmp_path / "gone")
    run(tmp_path / "apart", *flags)
    one, other = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "apart"))
    assert one == other
    found = result(tmp_path / "whole")
    losses = [line["loss"] for line in read_lines(tmp_path / "whole" / "metrics.jsonl") if line["split"] == "train"]
    assert losses[-1] < losses[0]
    text = sum(len(path.read_text()) for path in (corpus / "validation").iterdir())
    assert 0 < found["bits_per_character"] < 20
    assert found["loss"] > found["bits_per_character"] * np.log(2)  # a token is more than a character
    assert "bits_per_character" not in read_lines(tmp_path / "whole" / "metrics.jsonl")[0]
    assert text > 0


@pytest.mark.slow
def test_chunks_of_logits_change_nothing(corpus, tmp_path, run):
    flags = (*SHORT, *CAUSAL, "model.name=transformer", "train.steps=2", "evaluation.every=2")
    run(tmp_path / "whole", *flags)
    run(tmp_path / "parts", *flags, "train.loss_chunk=24")
    one, other = (result(tmp_path / name)["loss"] for name in ("whole", "parts"))
    assert one == pytest.approx(other, rel=1e-5)  # 1e-7 seen


def test_a_tokenizer_whose_one_special_token_pads_too_is_trained_with_and_given_back(corpus, tmp_path, run):
    (tmp_path / "gpt2").mkdir()
    names = [*sorted(ByteLevel.alphabet()), "<|endoftext|>"]
    (tmp_path / "gpt2" / "vocab.json").write_text(json.dumps({name: at for at, name in enumerate(names)}))
    (tmp_path / "gpt2" / "merges.txt").write_text("#version: 0.2\n")
    flags = (*SHORT[1:], *CAUSAL, "train.steps=1", f"tokenizer.path={tmp_path / 'gpt2'}", "prediction.blanks=()")
    flags += (
        "model.name=transformer",
        "model.norm=pre",
        "model.activation=gelu_tanh",
        "prediction.prompts=('ban','b')",
    )
    for mode in ("train", "export"):
        run(tmp_path / "run", *flags, f"mode={mode}")
    config, tokens = (
        json.loads((tmp_path / "run" / "exported" / name).read_text())
        for name in ("config.json", "tokenizer_config.json")
    )
    assert (config["model_type"], tokens["pad_token"]) == ("gpt2", "<|endoftext|>")
    assert "pad_token_id" not in config  # a classifier of transformers would take the end of a text for padding


def test_a_net_that_sees_ahead_is_refused(corpus, tmp_path, run):
    with pytest.raises(InputError, match=r"set model.causal=True"):
        run(tmp_path / "run", "task=causal_lm")


CAUSAL_WRONG = [
    (("data.buckets=(8,)",), r"data.buckets pads short texts to less; causal_lm packs full rows: leave it empty"),
    (
        (f"prediction.prompts=('','{'banana ' * 40}')",),
        r"prediction.prompts: the prompt has \d+ tokens, .* room for \d+",
    ),
]


@pytest.mark.parametrize(("flags", "message"), CAUSAL_WRONG, ids=["buckets", "prompts"])
def test_what_no_language_model_can_do_is_told_before_a_step(flags, message, corpus, tmp_path, run):
    with pytest.raises(InputError, match=message):
        run(tmp_path / "run", *CAUSAL, *flags)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


GLOBAL = ("task=causal_lm", "model.causal=True", "data.global_tokens=first")


def test_a_longformer_with_a_global_token_is_asked_for_no_texts(corpus, tmp_path, run):
    with pytest.raises(InputError, match=r"keeps no global token in its cache.*data.global_tokens=none"):
        run(tmp_path / "run", *GLOBAL, "prediction.prompts=('a',)")


@pytest.mark.slow
def test_every_character_sees_a_global_first_one(corpus, tmp_path, run):
    flags = (*SHORT, "model.windows=(2,)", "prediction.prompts=()")
    for name, more in (("first", GLOBAL), ("none", CAUSAL)):
        run(tmp_path / name, *flags, *more)
    first, none = (result(tmp_path / name)["loss"] for name in ("first", "none"))
    assert abs(first - none) > 1e-6  # 1.1e-5 seen; 0 if it were not handed on


def test_a_translator_learns_goes_on_and_is_scored(corpus, pairs, tmp_path, run, capfd):
    flags = (*SHORT, *of(pairs), "data.length_groups=3")
    run(tmp_path / "whole", *flags, recipe="tiny_writer.py")
    run(tmp_path / "apart", *flags, recipe="tiny_writer.py")
    (tmp_path / "apart" / "checkpoints" / "8").rename(tmp_path / "gone")
    run(tmp_path / "apart", *flags, recipe="tiny_writer.py")
    one, other = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "apart"))
    assert one == other
    losses = [line["loss"] for line in read_lines(tmp_path / "whole" / "metrics.jsonl") if line["split"] == "train"]
    assert losses[-1] < losses[0]
    baseline = result(tmp_path / "whole")["baseline"]
    assert baseline["bleu"] < 100
    assert baseline["name"] == "unigram; the source as it is"
    assert "sacrebleu" not in capfd.readouterr().err


def test_a_translator_is_graded_writes_files_and_replies(corpus, pairs, tmp_path, run, capfd, monkeypatch):
    flags = (*SHORT, *of(pairs), f"data.test={pairs}/validation.jsonl", "decoding.num_beams=2")
    run(tmp_path / "run", *flags, recipe="tiny_writer.py")
    run(tmp_path / "run", *flags, "mode=evaluate", recipe="tiny_writer.py")
    assert {"bleu", "chrf", "perplexity"} <= set(result(tmp_path / "run"))
    assert "nrefs:1|case:mixed|eff:no|tok:13a" in capfd.readouterr().out
    run(tmp_path / "run", *flags, "mode=predict", recipe="tiny_writer.py")
    lines = read_lines(tmp_path / "run" / "predictions.jsonl")
    assert [line["text"] for line in lines] == (tmp_path / "run" / "predictions.txt").read_text().split("\n")[:-1]
    run(tmp_path / "run", *flags, "mode=predict", f"prediction.output={tmp_path}/said.txt", recipe="tiny_writer.py")
    assert read_lines(tmp_path / "said.txt") == lines
    assert (tmp_path / "said.txt.txt").read_text() == (tmp_path / "run" / "predictions.txt").read_text()
    (tmp_path / "given.txt").write_text("ban dor\n")
    for output, message in (
        (tmp_path, "is a directory; name a file in it"),
        ("given.jsonl", "would replace .*given.txt"),
    ):
        given = (f"data.test={tmp_path}/given.txt", f"prediction.output={tmp_path / output}")
        with pytest.raises(InputError, match=message):
            run(tmp_path / "run", *flags, "mode=predict", *given, recipe="tiny_writer.py")
    assert (tmp_path / "given.txt").read_text() == "ban dor\n"
    first = json.loads((pairs / "validation.jsonl").read_text().split("\n")[0])["text"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{first}\n\n"))
    run(tmp_path / "run", *flags, "mode=talk", recipe="tiny_writer.py")
    told = capfd.readouterr()
    assert told.out.rstrip("\n").split("\n")[-1] == lines[0]["text"]
    assert "1 replies, median" in told.err


@pytest.mark.slow
def test_a_summary_is_of_what_a_question_asks(corpus, pairs, tmp_path, run, capfd, monkeypatch):
    model = ("model.name=longformer", "model.max_global_tokens=8", "data.text_pair=question", "task=summarisation")
    for split in ("train", "validation"):
        rows = read_lines(pairs / f"{split}.jsonl")
        lines = [json.dumps(row | {"question": row["text"].split()[0], "other": row["text"]}) for row in rows]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    flags = (*SHORT, *of(tmp_path), *model, "data.references=('target','other')", "evaluation.graded=True")
    run(tmp_path / "run", *flags, "checkpoint.best=rouge1", recipe="tiny_writer.py")
    found = result(tmp_path / "run")
    assert 0 <= found["rouge1"] <= found["baseline"]["rouge1"] == 100  # a text is its own lead, and a reference here
    (tmp_path / "test.jsonl").write_text("\n".join(lines).replace('"target":', '"first":') + "\n")
    asked = ("data.references=('first','other')", f"data.test={tmp_path}/test.jsonl", "evaluation.split=test")
    asked += ("decoding.prompt_lookup_num_tokens=3", "mode=evaluate")  # the texts stay the same
    run(tmp_path / "run", *flags, "checkpoint.best=rouge1", *asked, recipe="tiny_writer.py")
    again = json.loads((tmp_path / "run" / "result_test.json").read_text())
    assert {name: again[name] for name in ("loss", "rouge1")} == {name: found[name] for name in ("loss", "rouge1")}
    few = r"train.jsonl:1: its question has \d+ tokens, .* model.max_global_tokens=1: raise"
    with pytest.raises(InputError, match=few):
        run(tmp_path / "few", *flags, "model.max_global_tokens=1", "checkpoint.best=rouge1", recipe="tiny_writer.py")
    monkeypatch.setattr(sys, "stdin", io.StringIO("no tab\nbadan\tbadan bades\n"))
    run(tmp_path / "run", *flags, "checkpoint.best=rouge1", "mode=talk", recipe="tiny_writer.py")
    assert "write the question, a tab, and the text" in capfd.readouterr().err


def test_a_split_without_the_references_is_scored_by_its_target_and_a_gap_is_told(pairs, tmp_path, run):
    flags = (*SHORT, *of(pairs), "train.steps=2", "evaluation.every=2", "task=summarisation")
    run(tmp_path / "run", *flags, "data.references=('one','two')", recipe="tiny_writer.py")
    assert result(tmp_path / "run")["baseline"]["rouge1"] > 0
    lines = [row | {"one": "badan"} for row in read_lines(pairs / "validation.jsonl")]
    write_lines(tmp_path / "test.jsonl", [lines[0] | {"two": "bades"}, *lines[1:]])
    asked = ("data.references=('one','two')", f"data.test={tmp_path}/test.jsonl", "evaluation.split=test")
    with pytest.raises(InputError, match=r"test.jsonl:2: has no field 'two'"):
        run(tmp_path / "run", *flags, *asked, "mode=evaluate", recipe="tiny_writer.py")


def test_a_language_model_goes_on_with_prompts(corpus, tmp_path, run, capfd, monkeypatch):
    flags = (*SHORT, *CAUSAL, "model.name=longformer", f"data.test={corpus}/blanks.jsonl", "decoding.max_new_tokens=12")
    flags += ("prediction.prompts=('ban',)", "decoding.do_sample=True", "decoding.num_return_sequences=2")
    run(tmp_path / "run", *flags)
    assert "what it has learned" in capfd.readouterr().out
    for _ in range(2):
        run(tmp_path / "run", *flags, "mode=predict")
        (line,) = read_lines(tmp_path / "run" / "predictions.jsonl")
        assert line["text"] != line["others"][0]
    monkeypatch.setattr(sys, "stdin", io.StringIO("ban <mask> dor.\n" + "ban " * 40 + "\n"))
    run(tmp_path / "run", *flags, "mode=talk")
    told = capfd.readouterr()
    assert told.out.rstrip("\n").split("\n")[-1] == line["text"].rstrip("\n").split("\n")[-1]
    assert "the line: the prompt has" in told.err


@pytest.mark.parametrize(
    ("task", "net"),
    [pytest.param("span_corruption", "transformer", marks=pytest.mark.slow), ("denoising", "longformer")],
)
def test_pretraining_restores_what_was_spoilt_and_another_task_starts_from_it_with_windows_or_without(
    corpus, pairs, tmp_path, run, task, net, capfd
):
    sizes = ("model.vocab_size=500", "train.label_smoothing=0")
    flags = (*SHORT, f"task={task}", "data.target=", "data.buckets=()", *sizes)
    run(tmp_path / "before", *flags, recipe="tiny_writer.py")
    assert result(tmp_path / "before")["perplexity"] < 500
    flags = (*SHORT, *of(pairs), *sizes, f"init_from={tmp_path / 'before'}", f"model.name={net}")
    run(tmp_path / "after", *flags, recipe="tiny_writer.py")
    told = capfd.readouterr().out
    assert "parameters taken" in told
    assert "fresh here" not in told
    assert "not used" not in told


WRONG = [
    (("data.target=",), r"task=translation needs data.target"),
    (("model.decoder_depth=0",), r"set model.decoder_depth to the layers that write"),
    (("task=classification", "data.classes=('a','b')"), r"stands on an encoder alone: set model.decoder_depth=0"),
    (("model.decoder_start=bos",), r"model.decoder_start='bos' is not one of cls, sep, pad"),
    (("train.label_smoothing=1.0",), r"must lie in \[0, 1\)"),
    (("train.loss_chunk=8",), r"train.loss_chunk knows no train.label_smoothing"),
    (("task=span_corruption", "data.buckets=()"), r"has no <extra_id_0>"),
    (("task=denoising",), r"data.buckets pads short texts to less; denoising packs full rows: leave it empty"),
    (("task=denoising", "masking.mean_span=0.5"), r"masking.mean_span=0.5 must be at least 1 token"),
    (("model.word_vectors=glove.txt",), r"words of masked_lm and whole texts; leave it empty for translation"),
    (("checkpoint.best=bleu",), r"checkpoint.best='bleu' is known only where answers are graded"),
    (("checkpoint.best=blue",), r"checkpoint.best='blue' is not a score of translation: loss, .*bleu"),
]


@pytest.mark.parametrize(("flags", "message"), WRONG, ids=[" ".join(flags) for flags, _ in WRONG])
def test_what_no_writer_can_do_is_told_in_one_sentence(flags, message, pairs, tmp_path, run):
    with pytest.raises(InputError, match=message):
        run(tmp_path / "run", *SHORT, *of(pairs), *flags, recipe="tiny_writer.py")


@pytest.mark.parametrize("task", ["translation", "denoising", "causal_lm"])
def test_what_writes_takes_no_mixture_and_no_negative_chunk(task, corpus, pairs, tmp_path, run):
    flags = (*of(pairs), f"task={task}", *(CAUSAL[1:] if task == "causal_lm" else ()))
    flags += ("model.decoder_depth=0",) if task == "causal_lm" else ()
    with pytest.raises(InputError, match=f"data.mixture draws rows for masked_lm; {task} takes all of data.train"):
        run(tmp_path / "run", *flags, f"data.mixture=(('{pairs}/train.jsonl', 1.0),)", recipe="tiny_writer.py")
    with pytest.raises(InputError, match=r"train.loss_chunk=-1 must be at least 0"):
        run(tmp_path / "run", *flags, "train.loss_chunk=-1", "train.label_smoothing=0", recipe="tiny_writer.py")


def test_spare_rows_are_never_written(corpus, pairs, tmp_path):
    from configs import command_line
    from data.tokenizer import Tokenizer
    from tasks.translation import Translation
    from tests.training.conftest import ROOT

    flags = [f"--config.{flag}" for flag in ("model.vocab_size=290", *of(pairs))]
    config = command_line.parse(["train.py", f"--config={ROOT}/tests/training/tiny_writer.py:{corpus}", *flags])
    tokenizer = Tokenizer.train("byte_bpe", ["ab"], vocab_size=270)
    task = Translation(config, tokenizer, tmp_path)
    assert task.settings.suppress_tokens == tuple(range(tokenizer.vocab_size, 290))
