"""Windows, and the characters that their tokens stand for."""

from itertools import pairwise

import numpy as np
import pytest

from data.questions import Place, Question
from data.reading import PadReading, Window, reading_examples
from data.tokenizer import Tokenizer
from errors import InputError
from tests.data.awkward import AWKWARD, PROSE

KINDS = ("byte_bpe", "wordpiece", "unigram")
PIECES = [
    "whale",
    "sea",
    "Größe",
    "漢字",
    "e\u0301tude",
    "cafe\u0301\u0323",
    "हिन्दी",
    "👨‍👩‍👧‍👦",
    "don't",
    "3.14",
    "(a)",
    "ﬁn",
    "İst",
    "한국어",
    "x" * 9,
]
SPACES = [" ", "  ", "\n", "\t", "\u00a0", " \n "]


@pytest.fixture(scope="module", params=KINDS)
def any_tokenizer(request):
    return Tokenizer.train(request.param, PROSE + AWKWARD, vocab_size=700)


def random_question(rng: np.random.Generator, number: int, words: int = 60) -> Question:
    """A document of pieces with all kinds of space between them, and answers that are runs of pieces."""
    text, places = "", []
    for _ in range(words):
        text += str(rng.choice(SPACES))
        piece = str(rng.choice(PIECES))
        places.append(Place(len(text), len(text) + len(piece)))
        text += piece
    first = rng.integers(0, words - 4, 3)
    answers = tuple(Place(places[a].start, places[a + int(rng.integers(0, 4))].end) for a in first)
    return Question(str(number), "Which whale?", text, answers, f"file: question {number}")


def test_the_characters_of_an_answers_tokens_are_the_answer_through_all_windows(any_tokenizer):
    rng = np.random.default_rng(0)
    questions = [random_question(rng, number) for number in range(40)]
    how = {"length": 72, "stride": 24, "question_length": 16}
    examples = reading_examples(questions, any_tokenizer, **how)
    assert examples.widened == 0
    held = {number: set() for number in range(len(questions))}
    for index, window in enumerate(examples.windows):
        row = examples[index]
        question = questions[window.question]
        assert len(row["input_ids"]) == examples.lengths[index] <= 72
        for answer, (start, end) in zip(question.answers, row["answers"].tolist(), strict=True):
            if start == 0:
                assert end == 0
                continue
            place = examples.characters(window, start, end)
            assert question.document[place.start : place.end] == question.document[answer.start : answer.end]
            assert place == answer
            held[window.question].add(answer)
    short = sum(len(answers) == len(set(q.answers)) for q, answers in zip(questions, held.values(), strict=True))
    print(f"{short} of {len(questions)} questions have all answers in some window")
    assert short > len(questions) / 2  # a window may be too narrow for an answer of many tokens


@pytest.mark.parametrize("text", [*AWKWARD[3:], "a\u2028b  c", "x " * 20_000 + "漢 end "], ids=lambda text: text[:12])
def test_spans_are_in_order_hold_no_space_around_them_and_leave_no_letter_out(any_tokenizer, text):
    ((ids, spans),) = any_tokenizer.encode_with_spans([text])
    assert ids.tolist() == any_tokenizer.encode(text).tolist()
    assert len(ids) == len(spans)
    seen = np.zeros(len(text), bool)
    for start, end in spans.tolist():
        assert 0 <= start <= end <= len(text)
        assert text[start:end] == text[start:end].strip()
        seen[start:end] = True
    assert (np.diff(spans[:, 0]) >= 0).all()
    dropped = "\u200b\ufeff\u00ad\x01\x02\x7f\ufffd\u2028\u0085\u200d"  # which WordPiece or SentencePiece clean away
    letters = [c.isalnum() for c in text]
    assert all(seen[at] for at, letter in enumerate(letters) if letter and text[at] not in dropped)


def words_question(document: str, *answers: str, text: str = "the whale") -> Question:
    places = tuple(Place(document.index(each), document.index(each) + len(each)) for each in answers)
    return Question("a", text, document, places, "file: question a")


@pytest.mark.parametrize(("longest", "looks"), [(1, 10), (11, 10), (15, 6), (21, 0), (40, 0)])
def test_an_answer_of_up_to_one_more_than_the_stride_is_whole_where_it_is_looked_for(longest, looks, tokenizer):
    document = " ".join(f"w{n}" for n in range(150))
    how = {"length": 64, "stride": 20, "question_length": 8, "longest": longest}
    windows = reading_examples([words_question(document)], tokenizer, labelled=False, **how).windows
    assert len(windows) > 2
    assert [after.first - after.begin for after in windows[1:]] == [looks] * (len(windows) - 1)
    whole = [each.end - (each.last - 1) for each in windows[:-1]]  # tokens from the last place that is looked at
    assert (min(whole) >= longest) == (longest <= 21)


def test_windows_share_the_stride_and_each_token_is_looked_at_once(tokenizer):
    document = " ".join(f"w{number}" for number in range(100))
    question = words_question(document, "w3", "w96")
    examples = reading_examples([question], tokenizer, length=64, stride=20, question_length=8)
    tokens = len(examples.documents[0].ids)
    windows = examples.windows
    assert all(later.begin == earlier.end - 20 for earlier, later in pairwise(windows))
    assert windows[0].begin == 0
    assert windows[-1].end == tokens
    looked_at = [place for window in windows for place in range(window.first, window.last)]
    assert looked_at == list(range(tokens))
    for earlier, later in pairwise(windows):
        assert later.first - later.begin == earlier.end - later.first == 10  # as much on both sides
    whole = reading_examples([question], tokenizer, length=1024, stride=20, question_length=8)
    assert whole.windows == (Window(0, 0, tokens, 0, tokens),)


def test_a_window_without_the_answer_points_at_its_first_token(tokenizer):
    document = " ".join(f"w{number}" for number in range(100))
    examples = reading_examples(
        [words_question(document, "w3", "w96")], tokenizer, length=64, stride=20, question_length=8
    )
    rows = [examples[number]["answers"] for number in range(len(examples))]
    assert (rows[0][0] > 0).all()
    assert rows[0][1].tolist() == [0, 0]
    assert (rows[-1][1] > 0).all()
    assert rows[-1][0].tolist() == [0, 0]
    impossible = reading_examples([words_question(document)], tokenizer, length=64, stride=20, question_length=8)
    assert impossible[0]["answers"].tolist() == [[0, 0]]


def test_a_row_says_which_places_are_the_documents(tokenizer):
    question = words_question("A small ship. The Whale", "ship")
    examples = reading_examples([question], tokenizer, length=64, stride=8, question_length=8, token_types=3)
    row = examples[0]
    asked, document = tokenizer.encode("the whale"), tokenizer.encode("A small ship. The Whale")
    before = 1 + len(asked) + len(examples.between)
    assert row["asked"] == 1 + len(asked)
    assert row["input_ids"][before:-1].tolist() == document.tolist()
    spans = examples.documents[0].spans
    letters = [int(start < end) for start, end in spans]
    assert row["answerable"].tolist() == [1] + [0] * (before - 1) + letters + [0]
    assert row["starts"].tolist() == [0] * before + letters + [0]
    shared = [2 if question.document[a:b] and a >= len("A small ship. ") else 1 for a, b in spans]
    assert row["token_type_ids"].tolist() == [0] * before + shared + [1]


def test_questions_too_long_are_cut_and_counted(tokenizer):
    question = words_question("A small ship.", "ship", text="what " * 30)
    examples = reading_examples([question], tokenizer, length=64, stride=8, question_length=8)
    assert examples.cut == 1
    assert examples[0]["asked"] == 9
    assert "1 questions cut" in examples.told()


@pytest.mark.parametrize(
    ("labelled", "told"), [(True, "1 questions (1 without an answer) in"), (False, "1 questions in")]
)
def test_what_was_not_read_is_not_counted(tokenizer, labelled, told):
    how = {"length": 64, "stride": 8, "question_length": 8, "labelled": labelled}
    assert reading_examples([words_question("A small ship.")], tokenizer, **how).told().startswith(told)


def test_an_answer_inside_a_token_is_widened_to_it_and_counted(tokenizer):
    question = words_question("the whale swam", "hal")
    examples = reading_examples([question], tokenizer, length=64, stride=8, question_length=8)
    ((start, end),) = examples[0]["answers"].tolist()
    place = examples.characters(examples.windows[0], start, end)
    assert "hal" in question.document[place.start : place.end]
    assert examples.widened == (place != question.answers[0])


def test_space_around_an_answer_is_not_its_own(tokenizer):
    question = words_question("the whale swam", " whale ")
    examples = reading_examples([question], tokenizer, length=64, stride=8, question_length=8)
    place = examples.characters(examples.windows[0], *examples[0]["answers"][0].tolist())
    assert question.document[place.start : place.end] == "whale"
    assert examples.widened == 0


def test_padding_is_no_place_for_an_answer_and_the_question_attends_globally(tokenizer):
    questions = [words_question("A small ship.", "ship"), words_question("A small ship swam past the sea.", "sea")]
    examples = reading_examples(questions, tokenizer, length=64, stride=8, question_length=8)
    rows = [{**examples[number], "label": examples[number]["answers"][0]} for number in range(2)]
    batch = PadReading((64,), tokenizer.pad_id, global_question=True)(rows)
    real = batch["attention_mask"]
    assert real.sum(1).tolist() == examples.lengths.tolist()
    assert (batch["answerable"] <= real).all()
    assert (batch["starts"] <= batch["answerable"]).all()
    assert batch["global_attention_mask"].sum(1).tolist() == [row["asked"] for row in rows]
    assert (batch["global_attention_mask"][:, 0] == 1).all()
    assert batch["labels"].tolist() == [row["label"].tolist() for row in rows]


def test_windows_too_narrow_and_texts_without_tokens_are_refused(tokenizer):
    question = words_question("A small ship.", "ship")
    with pytest.raises(InputError, match=r"data.length=40 leaves \d+ tokens .* more than the data.stride=30"):
        reading_examples([question], tokenizer, length=40, stride=30, question_length=8)
    pieces = Tokenizer.train("wordpiece", PROSE, vocab_size=300)
    for text, document in (("\u200b", "ship"), ("ship", "\u200b")):
        empty = Question("a", text, document, (), "file: question a")
        with pytest.raises(InputError, match="file: question a: the tokenizer finds no token in its"):
            reading_examples([empty], pieces, length=64, stride=8, question_length=8)


def test_thinned_windows_are_all_that_hold_an_answer_and_a_share_of_the_others(tokenizer):
    document = " ".join(["sea"] * 400) + " whale " + " ".join(["sea"] * 400)
    at = document.index("whale")
    asked = [
        words_question(document),  # no answer: each of its windows says so, and stays
        Question("1", "what?", document, (Place(at, at + 5),), "file: question 1"),
    ]
    examples = reading_examples(asked, tokenizer, length=48, stride=8, question_length=8)
    whole = [examples[number] for number in range(len(examples))]
    held = {number for number, row in enumerate(whole) if row["answers"].any()}
    unasked = {number for number, window in enumerate(examples.windows) if window.question == 0}
    assert held
    for share in (0.0, 0.3):
        thinned = examples.thinned(share, seed=0)
        places = [examples.windows.index(window) for window in thinned.windows]
        assert places == sorted(places)
        assert held | unasked <= set(places)
        others = len(examples) - len(held | unasked)
        assert abs(len(set(places) - held - unasked) - share * others) <= 4 * (share * others) ** 0.5
        for number, place in enumerate(places):
            same = {name: x for name, x in thinned[number].items() if name != "index"}
            assert all(np.array_equal(x, whole[place][name]) for name, x in same.items())
            assert thinned.lengths[number] == len(same["input_ids"])
    assert examples.thinned(0.3, seed=0).windows == examples.thinned(0.3, seed=0).windows
    assert examples.thinned(0.3, seed=0).windows != examples.thinned(0.3, seed=1).windows
    assert examples.thinned(1.0, seed=0).windows == examples.windows
