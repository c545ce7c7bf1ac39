"""A run may start from a published model, and end as one."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import pretrained
from errors import InputError
from skeleton import parameters
from tests.training.conftest import read_lines

STEPS = (
    "train.steps=4",
    "optimizer.warmup_steps=1",
    "evaluation.every=4",
    "checkpoint.every=4",
    "data.length=24",
    "model.max_positions=24",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run):
    """A short pretraining, and the directory that it was exported to."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    run(workdir, *STEPS)
    run(workdir, *STEPS, "mode=export")
    return workdir, workdir / "exported"


def test_a_run_starts_from_a_directory_in_transformers_format(trained, tmp_path, run, capsys):
    _, exported = trained
    sizes = pretrained.sizes(exported)
    keys = ("padding_place", "max_positions", "token_types")
    settings = [*STEPS, *(f"model.{key}={sizes[key]}" for key in keys), f"init_from={exported}"]
    run(tmp_path / "run", *settings)
    told = capsys.readouterr().out
    assert "fresh here" not in told
    first = read_lines(tmp_path / "run" / "metrics.jsonl")[0]
    assert np.isfinite(first["loss"])
    params = parameters(pretrained.load(exported))
    assert f"init_from: {len(params)} parameters taken" in told


def test_what_was_exported_scores_as_the_run_that_it_came_from(trained, tmp_path, run, capsys):
    workdir, exported = trained
    sizes = pretrained.sizes(exported)
    keys = ("padding_place", "max_positions", "token_types")
    settings = [*STEPS, *(f"model.{key}={sizes[key]}" for key in keys), f"init_from={exported}"]
    run(workdir, *STEPS, "mode=evaluate")
    run(tmp_path / "other", *settings, "mode=evaluate")
    one, other = (json.loads((d / "result_validation.json").read_text()) for d in (workdir, tmp_path / "other"))
    print(abs(one["loss"] - other["loss"]))
    assert abs(one["loss"] - other["loss"]) < 1e-5


def test_a_score_of_weights_from_elsewhere_lies_beside_its_config_and_commit(trained, tmp_path, run):
    workdir, _ = trained
    settings = [*STEPS, f"init_from={workdir}", "mode=evaluate"]
    run(tmp_path / "run", *settings)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["init_from"] == str(workdir)
    start = json.loads((tmp_path / "run" / "environment.json").read_text())[0]
    assert start["commit"]
    assert "--config.mode=evaluate" in start["command"]


@pytest.mark.slow
def test_other_weights_scored_in_the_same_directory_bring_their_own_tokenizer(trained, tmp_path, run):
    workdir, _ = trained
    other = tmp_path / "other"
    run(other, *STEPS, "tokenizer.vocab_size=270", "train.steps=2", "evaluation.every=2")
    for init_from in (workdir, other):
        run(tmp_path / "run", *STEPS, f"init_from={init_from}", "mode=evaluate")
        used, own = (d / "tokenizer" / "tokenizer.json" for d in (tmp_path / "run", init_from))
        assert used.read_bytes() == own.read_bytes()


def test_a_published_model_of_other_sizes_is_refused_with_every_key(trained, tmp_path, run):
    _, exported = trained
    with pytest.raises(InputError, match=r"token_types is 1 there and 0 here.*max_positions is 26 there and 24 here"):
        run(tmp_path / "run", *STEPS, f"init_from={exported}")


ALBERT = ("model.name=transformer", "model.embedding_width=8", "model.depth=3", "model.layer_order=(0,0,1)")
MODERN = (
    "model.name=alternating",
    "model.positions=rotary",
    "model.norm=pre",
    "model.embedding_norm=True",
    "model.biases=False",
    "model.activation=geglu",
    "model.depth=2",
    "model.windows=(0,4)",
)
DISTIL = ("model.name=transformer", "model.norm_epsilon=1e-12")


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        pytest.param("albert", ALBERT, marks=pytest.mark.slow),
        pytest.param("modernbert", MODERN, marks=pytest.mark.slow),
        ("distilbert", DISTIL),
    ],
)
def test_the_net_of_a_published_model_is_taken_from_it_whole(family, settings, tmp_path, run, capsys):
    run(tmp_path / "first", *STEPS, *settings)
    run(tmp_path / "first", *STEPS, *settings, "mode=export")
    exported = tmp_path / "first" / "exported"
    assert json.loads((exported / "config.json").read_text())["model_type"] == family
    again = (*STEPS, "model.from_init=True", f"init_from={exported}")
    run(tmp_path / "other", *again, "mode=evaluate")
    run(tmp_path / "first", *STEPS, *settings, "mode=evaluate")
    one, other = (json.loads((tmp_path / d / "result_validation.json").read_text()) for d in ("first", "other"))
    assert abs(one["loss"] - other["loss"]) < 1e-5
    run(tmp_path / "second", *again)
    assert "fresh here" not in capsys.readouterr().out
    run(tmp_path / "second", *STEPS, "model.from_init=True", f"init_from={exported}", "mode=evaluate")


@pytest.mark.slow
def test_spare_rows_of_a_published_table_are_kept_and_never_guessed(tmp_path, run, capsys):
    spare = ("model.vocab_size=512", "masking.unigram_bias=True")
    run(tmp_path / "first", *STEPS, *spare)
    run(tmp_path / "first", *STEPS, *spare, "mode=export")
    exported = tmp_path / "first" / "exported"
    assert json.loads((exported / "config.json").read_text())["vocab_size"] == 512
    run(tmp_path / "second", *STEPS, "model.from_init=True", f"init_from={exported}")
    assert "fresh here" not in capsys.readouterr().out
    run(
        tmp_path / "second",
        *STEPS,
        "model.from_init=True",
        f"init_from={exported}",
        "mode=predict",
        "prediction.top=400",
    )
    (line,) = read_lines(tmp_path / "second" / "predictions.jsonl")
    assert len(line["blanks"][0]) == 400
    with pytest.raises(InputError, match=r"model\.vocab_size=7 is less than the 400 entries of the tokenizer"):
        run(tmp_path / "third", *STEPS, "model.vocab_size=7")


def test_a_window_other_than_the_weights_were_made_with_is_told(trained, tmp_path, run, capsys):
    _, exported = trained
    settings = (*STEPS, "model.from_init=True", f"init_from={exported}", "mode=evaluate")
    run(tmp_path / "same", *settings)
    assert "were made with" not in "".join(capsys.readouterr())
    sizes = pretrained.sizes(exported)
    keys = ("padding_place", "max_positions", "token_types")
    settings = [*STEPS, *(f"model.{key}={sizes[key]}" for key in keys), f"init_from={exported}", "mode=evaluate"]
    run(tmp_path / "other", *settings, "model.windows=(2,)")
    told = "".join(capsys.readouterr())
    assert "model.windows is [2] here; the weights of" in told
    assert "were made with [4]" in told


def test_a_run_without_a_source_has_no_net_to_take(tmp_path, run):
    with pytest.raises(InputError, match=r"model\.from_init takes the net of init_from, which is empty"):
        run(tmp_path / "run", "model.from_init=True")


@pytest.mark.parity
def test_transformers_reads_what_was_exported_and_answers_the_same(trained):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    _, exported = trained
    theirs, told = transformers.AutoModelForMaskedLM.from_pretrained(exported, output_loading_info=True)
    assert not any(told.values()), told
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported)
    assert (tokenizer.pad_token, tokenizer.mask_token, tokenizer.eos_token) == ("<pad>", "<mask>", "</s>")
    given = tokenizer(["ban bal dor.", "fin"], padding=True, return_tensors="np")
    assert given["input_ids"][0][0] == tokenizer.cls_token_id
    model = pretrained.load(exported)
    with torch.no_grad():
        want = theirs.eval()(**{name: torch.from_numpy(array) for name, array in given.items()}).logits.numpy()
    got = np.asarray(model(**{name: jnp.asarray(array) for name, array in given.items()}).logits)
    real = given["attention_mask"] == 1
    error = np.abs(got - want)[real].max() / want[real].std()
    print(f"{error:.1e}")
    assert error < 1e-4


@pytest.mark.slow
@pytest.mark.parity
def test_transformers_writes_with_an_exported_language_model_as_it_does_here(tmp_path, run, corpus):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    flags = (
        "task=causal_lm",
        "model.name=transformer",
        "model.causal=True",
        "model.norm=pre",
        "model.max_positions=32",
    )
    flags += ("model.activation=gelu_tanh", "train.steps=4", "optimizer.warmup_steps=1", "evaluation.every=4")
    flags += ("prediction.prompts=('ban','')", "prediction.blanks=()", "optimizer.learning_rate=0.03")
    run(tmp_path / "run", *flags)
    run(tmp_path / "run", *flags, "mode=export")
    run(tmp_path / "run", *flags, "mode=predict", f"data.test={corpus}/blanks.jsonl", "decoding.max_new_tokens=8")
    text = read_lines(tmp_path / "run" / "predictions.jsonl")[0]["text"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "run" / "exported")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "exported").eval()
    prompt = tokenizer("ban <mask> dor.", split_special_tokens=True).input_ids
    ids = torch.tensor([[tokenizer.bos_token_id, *prompt]])
    with torch.no_grad():
        written = model.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=tokenizer.eos_token_id)
    assert tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True) == text


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Random weights of encoder-decoders as transformers saves them, a tokenizer of this project beside them."""
    transformers = pytest.importorskip("transformers")
    sizes = {"vocab_size": 300, "d_model": 16}
    halves = {f"{half}_{name}": 2 for half in ("encoder", "decoder") for name in ("layers", "attention_heads")}
    halves |= {"encoder_ffn_dim": 24, "decoder_ffn_dim": 32}
    led = {"max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 40, "attention_window": 8}
    t5 = {"d_kv": 8, "d_ff": 24, "num_layers": 1, "num_decoder_layers": 2, "num_heads": 2, "decoder_start_token_id": 1}
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    made = {
        "bart": transformers.BartConfig(**sizes, **halves, **ids, max_position_embeddings=40),
        "led": transformers.LEDConfig(**sizes, **halves, **ids, **led),
        "t5": transformers.T5Config(**sizes, **t5, pad_token_id=1, eos_token_id=2),
    }
    folder = tmp_path_factory.mktemp("published")
    for name, config in made.items():
        transformers.AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder / name)
    return folder


@pytest.mark.parametrize("family", ["t5", *(pytest.param(name, marks=pytest.mark.slow) for name in ("bart", "led"))])
def test_a_published_encoder_decoder_is_trained_on_written_with_and_given_back(
    family, published, corpus, tmp_path, run, capsys
):
    run(tmp_path / "vocabulary", *STEPS, "tokenizer.vocab_size=300", "train.steps=1", "optimizer.warmup_steps=0")
    (published / family / "tokenizer.json").write_bytes(
        (tmp_path / "vocabulary" / "tokenizer" / "tokenizer.json").read_bytes()
    )
    flags = (
        *STEPS[:4],
        "data.length=24",
        "data.target_length=24",
        f"init_from={published / family}",
        "data.buckets=()",
    )
    flags += ("model.from_init=True", "data.target=text", f"data.train={corpus}/labelled_train.jsonl")
    flags += (f"data.validation={corpus}/labelled_validation.jsonl", "train.label_smoothing=0", "log.every=1")
    run(tmp_path / "run", *flags, recipe="tiny_writer.py")
    told = capsys.readouterr().out
    assert "fresh here" not in told
    losses = [line["loss"] for line in read_lines(tmp_path / "run" / "metrics.jsonl") if line["split"] == "train"]
    assert losses[-1] < losses[0]
    run(tmp_path / "run", *flags, "mode=export", recipe="tiny_writer.py")
    back = pretrained.load(tmp_path / "run" / "exported")
    assert type(back).__name__ == "Generator"
    more = (f"data.test={corpus}/labelled_test.jsonl", "mode=predict", "decoding.num_beams=2")
    run(tmp_path / "run", *flags, *more, "decoding.num_return_sequences=2", recipe="tiny_writer.py")
    lines = read_lines(tmp_path / "run" / "predictions.jsonl")
    assert len(lines) == 8
    assert all(line["score"] >= line["others"][0]["score"] for line in lines)
    assert len((tmp_path / "run" / "predictions.txt").read_text().split("\n")) == 9
