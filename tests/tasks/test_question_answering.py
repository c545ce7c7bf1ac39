import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from data.questions import Question
from data.reading import reading_examples
from errors import InputError
from ops.spans import Spans, best_spans
from tasks.question_answering import QuestionAnswering
from tasks.spans import Candidate, Found, found_in_windows
from tests.tasks.questions import ASKED, SHIP, make_config, make_model, make_task


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    directory = tmp_path_factory.mktemp("questions")
    return make_task(make_config(directory), directory)


@pytest.fixture(scope="module")
def model(task):
    return make_model(task)


@pytest.fixture(scope="module")
def batch(task):
    (batch,) = task.evaluation_batches("train")
    return {name: jnp.asarray(batch[name]) for name in task.columns if name in batch}


def losses(task: QuestionAnswering, model):
    graph, state = nnx.split(model)
    return lambda batch: jax.jit(lambda state: task.loss(nnx.merge(graph, state), batch, rngs=None))(state)


def answerer(task: QuestionAnswering, model):
    """As training/evaluation.py makes it."""
    graph, state = nnx.split(model)

    @jax.jit
    def of(state, batch):
        return task.answers(nnx.merge(graph, state), batch)

    def answer(batch):
        found = of(state, {name: batch[name] for name in task.columns if name in batch})
        return jax.tree.map(np.asarray, found)

    return answer


def as_answers(*windows: Spans):
    """Of windows whose first token's logits are 0."""
    fields = zip(("scores", "starts", "ends", "totals"), zip(*windows, strict=True), strict=True)
    return {name: np.concatenate(arrays) for name, arrays in fields}


def test_the_loss_is_the_mean_cross_entropy_over_the_places_that_may_be_an_answers(task, model, batch):
    totals = losses(task, model)(batch)
    inputs = batch["input_ids"], batch["attention_mask"]
    out = nnx.jit(lambda net, ids, mask: net(ids, attention_mask=mask))(model, *inputs)
    expected = 0.0
    for row in range(3):
        may = np.flatnonzero(batch["answerable"][row])
        for logits, label in zip((out.start_logits, out.end_logits), batch["labels"][row], strict=True):
            left = np.asarray(logits[row], np.float64)[may]
            expected += (np.logaddexp.reduce(left) - float(logits[row, label])) / 2
    error = abs(float(totals["loss"]) - expected)
    print(f"loss {expected:.4f}, error {error:.1e}")  # 2e-6 seen
    assert error < 1e-4
    assert float(totals["weight"]) == 3.0


def test_what_is_no_place_for_an_answer_gets_no_gradient_and_nothing_is_nan(task, model, batch):
    """The logits of question, separators, padding and filler rows."""
    graph, state = nnx.split(model)

    class Told:
        def __init__(self, bias):
            self.bias = bias

        def __call__(self, ids, **inputs):
            found = nnx.merge(graph, state)(ids, **inputs)
            return found._replace(start_logits=found.start_logits + self.bias, end_logits=found.end_logits + self.bias)

    zero = jnp.zeros(batch["input_ids"].shape)
    gradient = jax.jit(jax.grad(lambda bias: task.loss(Told(bias), batch, rngs=None)["loss"]))(zero)
    assert np.isfinite(gradient).all()
    may = (np.asarray(batch["answerable"]) != 0) & (np.asarray(batch["example_weights"]) != 0)[:, None]
    assert (np.asarray(gradient)[~may] == 0).all()
    assert (np.abs(np.asarray(gradient)[may]) > 0).all()

    parameters = nnx.jit(nnx.grad(lambda net: task.loss(net, batch, rngs=None)["loss"]))(model)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(parameters))


def test_padding_changes_no_score(task, model):
    examples = task.examples("train")
    rows = [task.drawn(examples[number], np.random.default_rng(0)) for number in range(3)]
    long = task.collate(rows, 64)
    longest = examples.lengths.max()
    short = {name: a[:, :longest] if a.ndim == 2 and a.shape[1] == 64 else a for name, a in long.items()}
    names = ("input_ids", "attention_mask", "answerable", "labels")
    one, other = (losses(task, model)({name: jnp.asarray(batch[name]) for name in names}) for batch in (long, short))
    error = abs(float(one["loss"]) - float(other["loss"]))
    print(f"{error:.1e}")  # 5e-7 seen
    assert error < 1e-5


def test_each_annotators_answer_is_drawn_and_the_same_position_draws_the_same(task):
    example = task.examples("train")[0]
    drawn = {tuple(task.drawn(example, np.random.default_rng((0, p)))["label"].tolist()) for p in range(30)}
    assert drawn == {tuple(pair) for pair in example["answers"].tolist()}
    assert len(drawn) == 2
    again = [task.drawn(example, np.random.default_rng((0, 3)))["label"].tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_windows_together_find_what_the_whole_document_does(task):
    """The same logits at each token of the document, in one row or in windows: the same spans and probabilities."""
    document = " ".join(f"w{number}" for number in range(90))
    question = Question("a", "Which one?", document, (), "file: question a")
    rng = np.random.default_rng(1)
    found, logits_of_tokens = {}, None
    for length in (400, 64):
        examples = reading_examples(
            [question], task.tokenizer, length=length, stride=16, question_length=8, labelled=False
        )
        if logits_of_tokens is None:
            logits_of_tokens = rng.normal(size=(2, len(examples.documents[0].ids))) * 3
        rows = []
        for number, window in enumerate(examples.windows):
            row, before = examples[number], examples.before(window)
            logits = np.zeros((2, 1, len(row["input_ids"])), np.float32)
            inner = logits_of_tokens[:, window.begin : window.end]
            logits[:, 0, before : before + inner.shape[1]] = inner
            inside = jnp.asarray(row["answerable"][None] != 0).at[:, 0].set(False)
            how = {"starts": jnp.asarray(row["starts"][None] != 0), "ends": inside, "longest": 8, "count": 20}
            rows.append(best_spans(*map(jnp.asarray, logits), **how))
        found[length] = found_in_windows(examples, range(len(rows)), as_answers(*rows))
        print(length, len(rows), found[length].candidates[0])
    whole, parts = found[400], found[64]
    assert [c[:3] for c in whole.candidates[:10]] == [c[:3] for c in parts.candidates[:10]]
    chances = [[c.probability for c in each.candidates[:10]] for each in (whole, parts)]
    np.testing.assert_allclose(*chances, rtol=1e-5)
    np.testing.assert_allclose(whole.no_answer, parts.no_answer, rtol=1e-5)


def test_probabilities_of_all_spans_and_of_no_answer_add_up_to_one(task):
    question = Question("a", "Which?", "one two three", (), "x")
    examples = reading_examples([question], task.tokenizer, length=64, stride=8, question_length=8, labelled=False)
    row = examples[0]
    inside = jnp.asarray(row["answerable"][None] != 0).at[:, 0].set(False)
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(1, len(row["input_ids"]))), jnp.float32)
    spans = best_spans(logits, logits, starts=inside, ends=inside, longest=64, count=10_000)
    found = found_in_windows(examples, [0], as_answers(spans))
    total = found.no_answer + sum(each.probability for each in found.candidates)
    print(f"{total - 1:.1e}")  # 1e-7 seen
    assert abs(total - 1) < 1e-5


def test_predictions_are_what_the_official_scripts_read(task, model):
    answer = answerer(task, model)
    lines = list(task.predictions(answer, "test"))
    assert [line["id"] for line in lines] == ["a", "b", "c"]
    for line in lines:
        for each in line["candidates"]:
            start, end = each["span"]
            assert SHIP[start:end] == each["answer"]
        chances = [each["probability"] for each in line["candidates"]]
        assert chances == sorted(chances, reverse=True)
    files = task.written(lines)
    assert json.loads(files[".json"]) == {line["id"]: line["answer"] for line in lines}
    assert set(json.loads(files[".na_probs.json"])) == {"a", "b", "c"}


def test_the_threshold_of_no_answer_is_the_validation_splits_and_serves_the_other_splits(task):
    found = [
        Found(Question(number, text, SHIP, (), "x"), (Candidate("it", 0, 2, 0.5),), chance)
        for (number, text, _), chance in zip(ASKED, (0.1, 0.3, 0.7), strict=True)
    ]
    questions = {question.id: question for question in task.examples("train").questions}
    right = [
        Found(questions[f.question.id], (Candidate(answer, 0, 1, 0.9),), f.no_answer)
        for f, answer in zip(found, ("Bergen", "1973", "nobody"), strict=True)
    ]
    assert abs(task._threshold_of(right) - 0.5) < 1e-9  # half way from 0.3 to 0.7
    assert [each.text(0.3) for each in right] == ["Bergen", "1973", ""]
    assert task._threshold_of(right[:2]) == 1.0  # none of these has no answer


def test_a_reply_is_the_answer_its_probability_and_its_place(tmp_path):
    (tmp_path / "ship.txt").write_text(SHIP)
    config = make_config(tmp_path)
    config.prediction.update(document=str(tmp_path / "ship.txt"), no_answer_threshold="1")
    task = make_task(config, tmp_path)
    answer = answerer(task, make_model(task))
    task.rehearse(answer)
    reply = task.reply(answer, "When did the whale swim?")
    text, _, rest = reply.rpartition(" (probability ")
    start, end = rest.rstrip(")").split("characters ")[1].split(" to ")
    assert SHIP[int(start) : int(end)] == text
    assert task.reply(answer, "When?\tNever, I think.").split(" (")[0] in "Never, I think."
    config.prediction.no_answer_threshold = "0"
    silent = make_task(config, tmp_path)
    assert silent.reply(answerer(silent, make_model(silent)), "When?").startswith("no answer (probability ")
    config.prediction.document = ""
    with pytest.raises(InputError, match="write a question, a tab and its document"):
        make_task(config, tmp_path).reply(answer, "When?")


@pytest.mark.parametrize("mode", ["evaluate", "predict", "talk"])
def test_a_threshold_that_nothing_tells_is_refused_before_anything_is_read(mode, tmp_path):
    config = make_config(tmp_path, validation="")
    config.mode = mode
    with pytest.raises(InputError, match=r"asks the questions of data.validation, which is empty: .* or give a number"):
        make_task(config, tmp_path)
    config.prediction.no_answer_threshold = "1.0"
    assert make_task(config, tmp_path).threshold(None) == 1.0


def test_a_run_trains_on_the_windows_that_are_kept_and_scores_all(tmp_path):
    directory = tmp_path
    every, few = (
        make_task(make_config(directory, length=20, stride=2, empty_windows=share), directory) for share in (1.0, 0.0)
    )
    assert every.training_source is every.examples("train")
    assert 0 < len(few.training_source) < len(every.training_source)
    rows = [few.training_source[number] for number in range(len(few.training_source))]
    answered = [few.examples("train").questions[w.question].answers for w in few.training_source.windows]
    assert all(row["answers"].any() for row, answers in zip(rows, answered, strict=True) if answers)
    assert few.identity != every.identity
    assert len(few.examples("train")) == len(every.examples("train"))
    with pytest.raises(InputError, match=r"data.empty_windows=2.0 is a share, 0 to 1"):
        make_task(make_config(directory, empty_windows=2.0), directory)
