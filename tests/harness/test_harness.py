"""The harness gives a model of this project the scores that it gives the same weights in transformers."""

import json
import sys

import numpy as np
import pytest

from data.tokenizer import Tokenizer
from errors import InputError

pytest.importorskip("lm_eval")
pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")  # what the harness and its packages warn about is not ours

TASKS = {
    "choices": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{answer}}",
        "doc_to_choice": "{{choices}}",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    },
    "rolling": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
    },
    "writing": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{written}}",
        "generation_kwargs": {"until": ["q"], "max_gen_toks": 12},
        "metric_list": [{"metric": "exact_match"}],
    },
}
RULES = [
    {"repetition_penalty": 2.5},
    {"no_repeat_ngram_size": 1, "num_beams": 1},
    {"min_new_tokens": 9, "do_sample": False, "top_p": 0.9},
]
WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "one", "dog", "run", "past", "it", "by", "the", "sea"]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """Three local tasks; a text is longer than a row, a question too, and one is empty."""
    folder, rng = tmp_path_factory.mktemp("tasks"), np.random.default_rng(0)

    def words(count):
        return " ".join(rng.choice(WORDS, count))

    lines = []
    for number in range(12):
        question = words([3, 40, 9][number % 3]) + ("" if number % 2 else " ")
        choices = [words(int(rng.integers(1, 5))) for _ in range(3)]
        lines.append(
            {"question": question, "choices": choices, "answer": number % 3, "text": words(int(rng.integers(1, 60)))}
        )
        lines[-1]["written"] = ""
    (folder / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    for name, task in TASKS.items():
        data = {"data_files": {"test": str(folder / "lines.jsonl")}}
        whole = {"task": name, "dataset_path": "json", "dataset_kwargs": data, "test_split": "test", "num_fewshot": 0}
        (folder / f"{name}.yaml").write_text(json.dumps(whole | task))  # JSON is YAML
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A GPT-2 of random weights, large enough that its answers differ, with a tokenizer of this project."""
    import torch
    import transformers

    torch.manual_seed(3)  # with which some texts end early

    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = Tokenizer.train("byte_bpe", [" ".join(WORDS)] * 3, vocab_size=300)
    tokenizer.save(folder)
    size = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 48, "vocab_size": tokenizer.vocab_size}
    ends = {"bos_token_id": tokenizer.sep_id, "eos_token_id": tokenizer.sep_id}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**size, **ends, initializer_range=0.2))
    model.save_pretrained(folder)
    return folder


def scored(model, tasks):
    from harness.language_model import evaluated, known_tasks, told

    found = evaluated(model, list(TASKS), known_tasks(list(TASKS), tasks))
    return told(found["results"]), found["samples"]


@pytest.fixture(scope="module")
def both(exported):
    """The same weights as a model of ours, and as one of transformers' behind the harness's own backend."""
    import transformers
    from lm_eval.models.huggingface import HFLM

    from harness.language_model import LanguageModel
    from harness.loaded import load

    words = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(exported / "tokenizer.json"), eos_token="</s>", bos_token="</s>", pad_token="<pad>"
    )
    model = transformers.GPT2LMHeadModel.from_pretrained(exported).eval()
    theirs = HFLM(pretrained=model, tokenizer=words, batch_size=4, device="cpu")
    return LanguageModel(load(exported), batch_size=4), theirs


def test_scores_and_texts_are_those_of_the_same_weights_in_transformers(both, tasks, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    (ours, our_samples), (theirs, their_samples) = (scored(model, tasks) for model in both)
    assert ours.keys() == theirs.keys() == TASKS.keys()
    for task, scores in theirs.items():
        for name, value in scores.items():
            assert ours[task][name] == pytest.approx(value, rel=1e-5), (task, name)  # 4e-7 seen
    for task in TASKS:
        for one, other in zip(our_samples[task], their_samples[task], strict=True):
            mine, their = (
                np.ravel([r[0] if isinstance(r, list | tuple) else r for r in s["resps"]]) for s in (one, other)
            )
            if task == "writing":
                assert mine.tolist() == their.tolist()
            else:
                assert len(set(np.round(mine.astype(float), 3))) > (task == "choices")
                assert mine.astype(float) == pytest.approx(their.astype(float), rel=1e-5)


def written(model, **how):
    from lm_eval.api.instance import Instance

    prompts = (*WORDS, "the cat sat", "one dog run past it by the sea and a mat")
    asked = [(prompt, {"until": ["zzz"], "max_gen_toks": 12, **how}) for prompt in prompts]
    return model.generate_until([Instance("generate_until", {}, one, number) for number, one in enumerate(asked)])


@pytest.mark.parametrize("rules", RULES, ids=str)
def test_a_tasks_rules_of_writing_are_followed(both, rules):
    ours, theirs = (written(model, **rules) for model in both)
    assert ours == theirs
    assert ours != written(both[0])


def test_a_request_that_is_made_again_is_answered_by_another_draw_whatever_the_batch(both):
    from lm_eval.api.instance import Instance

    ask = ("the", {"until": [], "max_gen_toks": 12, "do_sample": True, "temperature": 2.0})
    again = both[0].generate_until([Instance("generate_until", {}, ask, 0) for _ in range(12)])
    assert len(set(again)) > 4  # rows of a batch


@pytest.mark.parametrize("how", [{"num_beams": 10}, {"frobnicate": True}, {"num_return_sequences": 2}], ids=str)
def test_what_a_task_asks_for_and_nobody_does_is_told(both, how):
    with pytest.raises(InputError, match=f"{next(iter(how))}=.* of a task's generation_kwargs is not supported here"):
        written(both[0], **how)


def test_a_run_is_scored_from_the_command_line(exported, tasks, tmp_path, monkeypatch, capsys):
    from harness.__main__ import main

    where = tmp_path / "scores.json"
    argv = ["harness", str(exported), "--tasks=choices", f"--include={tasks}", "--limit=4", f"--output={where}"]
    monkeypatch.setattr(sys, "argv", argv)
    main()
    found = json.loads(where.read_text())
    assert 0 <= found["choices"]["acc,none"] <= 1
    assert json.loads(capsys.readouterr().out[-len(where.read_text()) :]) == found


@pytest.mark.parametrize(
    ("name", "message"),
    [("choises", "there is no task 'choises'"), (None, "is no work directory")],
)
def test_what_cannot_be_scored_is_told_in_one_sentence(name, message, exported, tasks, tmp_path):
    import argparse

    from harness.__main__ import run

    given = argparse.Namespace(
        directory=exported if name else tmp_path, tasks=name or "choices", include=tasks, shots=None, limit=1
    )
    given.batch_size, given.output = 4, None
    with pytest.raises(InputError, match=message):
        run(given)


def a_causal_longformer(tokenizer):
    from flax import nnx

    from models import CausalLM
    from models.config import LongformerConfig
    from models.longformer import Longformer

    sizes = {"width": 16, "depth": 2, "heads": 2, "mlp_width": 32, "max_positions": 64, "windows": (2,)}
    cfg = LongformerConfig(vocab_size=tokenizer.vocab_size, causal=True, dropout_rate=0.0, **sizes)
    return CausalLM(Longformer(cfg, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(0))


def test_a_net_that_learned_with_a_global_first_token_is_scored_with_it_and_does_not_write(exported):
    import jax
    import jax.numpy as jnp
    from lm_eval.api.instance import Instance

    from harness.language_model import LanguageModel
    from harness.loaded import Loaded

    tokenizer = Tokenizer.load(exported)
    model = a_causal_longformer(tokenizer)
    ids = tokenizer.encode(" ".join(WORDS)).tolist()
    asked = [(None, ids[:-1], ids[-1:])]
    with_it, without = (LanguageModel(Loaded(model, tokenizer, 64, first), batch_size=1) for first in (True, False))
    row = jnp.asarray([ids[:-1]])
    logits = model(row, global_attention_mask=jnp.zeros_like(row).at[:, 0].set(1)).logits
    wanted = float(jax.nn.log_softmax(logits[0, -1])[ids[-1]])
    assert with_it._loglikelihood_tokens(asked)[0][0] == pytest.approx(wanted, abs=1e-5)
    assert abs(without._loglikelihood_tokens(asked)[0][0] - wanted) > 1e-4
    ask = ("the", {"until": [], "max_gen_toks": 4})
    with pytest.raises(InputError, match="keeps no global token while it writes"):
        with_it.generate_until([Instance("generate_until", {}, ask, 0)])


def test_a_batch_of_nothing_is_refused(exported):
    from harness.language_model import LanguageModel
    from harness.loaded import load

    with pytest.raises(InputError, match="batch_size=0 must be at least 1"):
        LanguageModel(load(exported), batch_size=0)


def test_a_place_for_the_scores_that_is_none_is_told_first(exported, tasks, tmp_path, monkeypatch):
    from harness.__main__ import main

    argv = ["harness", str(exported), "--tasks=choices", f"--include={tasks}", f"--output={tmp_path}/none/scores.json"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit, match="there is no directory"):
        main()
