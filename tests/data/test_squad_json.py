import gzip
import json

import pytest

from data.questions import Place, read_questions
from data.records import Record, read_records
from errors import InputError

CONTEXT = "The whale swam past Ålesund. The ship saw the whale."


def asked(number="a", question="What swam?", answers=(("The whale", 0),), **more):
    listed = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": number, "question": question, "answers": listed, **more}


def squad(*questions, context=CONTEXT, **article):
    return {"version": "1.1", "data": [{"paragraphs": [{"context": context, "qas": list(questions)}], **article}]}


@pytest.fixture
def read(tmp_path):
    """`read(SQuAD's JSON or any text)`: the records of such a file."""

    def from_file(content, name="dev.json"):
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return read_records(path)

    return from_file


def test_each_question_is_a_record_that_names_file_and_id(read, tmp_path):
    (first, second) = read(squad(asked(), asked(7, answers=[], is_impossible=True), title="Sea"), name="dev.json.gz")
    assert first.origin == f"{tmp_path}/dev.json.gz: question a"
    assert first.values["title"] == "Sea"
    assert first.values["context"] == CONTEXT
    assert second.values["id"] == "7"
    assert second.values["is_impossible"] is True


def test_a_question_knows_where_its_answers_stand(read):
    (question,) = read_questions(read(squad(asked(answers=[("Ålesund", 20), ("whale", 4)]))), labelled=True).all
    assert question.answers == (Place(20, 27), Place(4, 9))
    assert question.answer_texts == ("Ålesund", "whale")
    assert question.document == CONTEXT


def test_json_lines_with_starts_and_tfds_with_two_lists_are_the_same_questions(tmp_path, read):
    (expected,) = read_questions(read(squad(asked(answers=[("whale", 4), ("whale", 46)]))), labelled=True).all
    listed = {"id": "a", "question": "What swam?", "context": CONTEXT}
    forms = [
        [{"text": "whale", "start": 4}, {"text": "whale", "start": 46}],
        {"text": ["whale", "whale"], "answer_start": [4, 46]},
    ]
    for form in forms:
        (tmp_path / "dev.jsonl").write_text(json.dumps(listed | {"answers": form}))
        (found,) = read_questions(read_records(tmp_path / "dev.jsonl"), labelled=True).all
        assert found.answers == expected.answers


def test_without_labels_no_answer_is_asked_for(read):
    question = asked()
    del question["answers"]
    (found,) = read_questions(read(squad(question)), labelled=False).all
    assert found.answers == ()


@pytest.mark.parametrize(("start", "moved_to"), [(0, 4), (24, 4), (30, 46), (999, 46), (-5, 4)])
def test_a_misplaced_answer_is_refused_or_moved_to_the_nearest_place_and_counted(read, start, moved_to):
    records = read(squad(asked(answers=[("whale", start), ("whale", 4)])))
    with pytest.raises(
        InputError, match=r"dev.json: question a: the answer 'whale' does not stand at character .*near"
    ):
        read_questions(records, labelled=True)
    found = read_questions(records, labelled=True, misplaced="nearest")
    assert found.all[0].answers == (Place(moved_to, moved_to + 5), Place(4, 9))
    assert found.moved == 1


REFUSED = [
    (asked(answers=[("shark", 4)]), "question a: the answer 'shark' stands nowhere in the document"),
    (asked(answers=[("", 4)]), "question a: an answer is empty"),
    (asked(answers=[("whale", "4")]), "question a: an answer should be a text and an answer_start"),
    (asked(answers=[("whale", True)]), "question a: an answer should be a text and an answer_start"),
    (asked(answers=[]), "question a: has no answer; say is_impossible"),
    (asked(is_impossible=True), "question a: is_impossible, yet it has answers"),
    (asked(answers=[], is_impossible="yes"), "question a: is_impossible is str, not true or false"),
    (asked(question=""), "question a: the field 'question' is empty"),
    (asked(question=["Why?"]), "question a: the field 'question' is list, not text"),
    ({"id": "a", "question": "Why?"}, "question a: has no field 'answers'"),
    ({"id": "a", "question": "Why?", "answers": "whale"}, "question a: the answers are str, not a list"),
    ({"id": "a", "question": "Why?", "answers": {"text": ["x"]}}, "question a: the answers should hold lists"),
]


@pytest.mark.parametrize(("question", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_a_malformed_question_is_refused_by_file_and_id(read, question, message):
    with pytest.raises(InputError, match=message) as caught:
        read_questions(read(squad(question)), labelled=True)
    assert "dev.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_document_and_an_id_twice_are_refused(read):
    with pytest.raises(InputError, match="question a: the field 'context' is empty"):
        read_questions(read(squad(asked(answers=[], is_impossible=True), context=" \n")), labelled=True)
    with pytest.raises(InputError, match=r"question a: the id 'a' is also that of .*dev.json: question a"):
        read_questions(read(squad(asked(), asked())), labelled=True)
    with pytest.raises(InputError, match=r"question 7: the id '7' is also that of"):
        read_questions(read(squad(asked(7), asked("7"))), labelled=True)


BROKEN = [
    ("[1, 2]", "is not SQuAD's JSON"),
    ('{"data": 3}', "its data are int, not a list"),
    ('{"data": [3]}', "article 0: is int, not an object"),
    ('{"data": [{}]}', "article 0: has no paragraphs"),
    ('{"data": [{"paragraphs": [{"context": "x"}]}]}', "article 0, paragraph 0: has no qas"),
    ('{"data": [{"paragraphs": [{"qas": [{"id": 1}]}]}]}', "article 0, paragraph 0: has no context"),
    ('{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": 1}]}]}]}', "paragraph 0, question 0: has no question"),
    ('{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": 1.5}]}]}]}', "question 0: its id is float"),
    ('{"data": [\n{"paragraphs": }]}', r"dev.json:2: is not valid JSON \(Expecting value\)"),
    ('{"data": []}', "holds no record"),
    ('{"data": [], "data": [3]}', "the key 'data' stands twice in one object"),
    (json.dumps(squad(asked(question="\ud800"))), "question a: holds half of a surrogate pair"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_what_is_not_built_as_squad_is_refused_by_the_place_in_it(read, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(text)
    assert "dev.json" in str(caught.value)


def test_a_directory_passes_over_json_which_may_be_anything(read, tmp_path):
    read(squad(asked()))
    with pytest.raises(InputError, match=r"no .txt, .*, .conll, _conll file .*; name a .json file itself"):
        read_records(tmp_path)
    assert len(read_records(f"{tmp_path}/*.json")) == 1


def test_an_unknown_way_with_misplaced_answers_is_refused():
    with pytest.raises(InputError, match=r"data.misplaced_answers='drop' is not one of refuse, nearest"):
        read_questions([Record({}, "x")], labelled=True, misplaced="drop")
