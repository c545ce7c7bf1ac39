import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.records import read_records
from errors import InputError


def put(path, content):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_every_kind_is_read_plain_and_gzipped(ending, tmp_path):
    txt = put(tmp_path / f"a.txt{ending}", "one\n\ntwo")
    jsonl = put(tmp_path / f"b.jsonl{ending}", '\ufeff{"text": "one", "n": 1}\r\n\n{"text": "t\u2028wo"}\n')
    csv = put(tmp_path / f"c.csv{ending}", 'text,label\n"a, ""b""\nc",1\n\nd,2\n')
    tsv = put(tmp_path / f"d.tsv{ending}", 'text\tlabel\n"a\t1\nb"\t\n')
    assert [(r.values, r.origin) for r in read_records(txt)] == [({"text": "one\n\ntwo"}, f"{txt}:1")]
    assert [(r.values, r.origin) for r in read_records(jsonl)] == [
        ({"text": "one", "n": 1}, f"{jsonl}:1"),
        ({"text": "t\u2028wo"}, f"{jsonl}:3"),
    ]
    assert [(r.values, r.origin) for r in read_records(csv)] == [
        ({"text": 'a, "b"\nc', "label": "1"}, f"{csv}:2"),
        ({"text": "d", "label": "2"}, f"{csv}:5"),
    ]
    assert [r.values for r in read_records(tsv)] == [{"text": '"a', "label": "1"}, {"text": 'b"', "label": ""}]


def test_a_directory_and_a_glob_are_read_in_sorted_order(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.txt", "a.txt", "sub/c.txt", ".hidden/d.txt", ".e.txt", "README.md"):
        put(tmp_path / name, name)
    assert [r.values["text"] for r in read_records(tmp_path)] == ["a.txt", "b.txt", "sub/c.txt"]
    assert [r.values["text"] for r in read_records(str(tmp_path / "*.txt"))] == ["a.txt", "b.txt"]
    odd = put(tmp_path / "x[1].txt", "brackets")
    assert [r.values["text"] for r in read_records(odd)] == ["brackets"]


def test_a_text_file_can_hold_a_document_per_line_or_paragraph(tmp_path):
    file = put(tmp_path / "a.txt", "\n\none\ntwo\n \n\n\nthree\n")
    lines = read_records(file, documents="line")
    assert [(r.values["text"], r.origin) for r in lines] == [
        (t, f"{file}:{n}") for t, n in (("one", 3), ("two", 4), ("three", 8))
    ]
    blocks = read_records(file, documents="paragraph")
    assert [r.values["text"].strip() for r in blocks] == ["one\ntwo", "three"]
    assert [r.origin for r in blocks] == [f"{file}:{n}" for n in (3, 8)]


def test_a_table_without_a_header_takes_its_names_from_columns(tmp_path):
    file = put(tmp_path / "a.csv", "1,hello\n2,there\n")
    assert [r.values for r in read_records(file, columns=("label", "text"))] == [
        {"label": "1", "text": "hello"},
        {"label": "2", "text": "there"},
    ]


def test_a_field_longer_than_the_csv_module_allows_by_default_is_read(tmp_path):
    file = put(tmp_path / "a.csv", "text\n" + "x" * 200_000 + "\n")
    assert len(read_records(file)[0].values["text"]) == 200_000


REFUSED = {
    "empty.txt": ("", "holds no record"),
    "blank.txt": (" \n\n", "holds no record"),
    "empty.jsonl": ("\n\n", "holds no record"),
    "header.csv": ("text,label\n", "holds no record"),
    "bad.jsonl": ('{"text": 1}\n{"text": }\n', r"bad.jsonl:2: is not valid JSON"),
    "cut.jsonl": ('{"text": "a"}\n{"text": "b', r"cut.jsonl:2: is not valid JSON"),
    "deep.jsonl": ("[" * 100_000, r"deep.jsonl:1: is not valid JSON"),
    "number.jsonl": ('{"n": ' + "9" * 5000 + "}", r"number.jsonl:1: is not valid JSON"),
    "key.jsonl": ('{"a": 1}\n{"a": 1, "b": 2, "a": 3}', r"key.jsonl:2: .*the key 'a' stands twice in one object"),
    "list.jsonl": ('{"text": 1}\n\n[1]\n', r"list.jsonl:3: holds a JSON list"),
    "surrogate.jsonl": ('{"text": "\\ud800"}', r"surrogate.jsonl:1: holds half of a surrogate"),
    "latin.txt": (b"one\ntwo \xe9t\xe9", r"latin.txt:2: is not UTF-8 \(byte 8 of the file is 0xe9\).*ISO-8859-1"),
    "mark.txt": (b"\xef\xbb\xbfa\xff", r"mark.txt:1: is not UTF-8 \(byte 4 of the file is 0xff\)"),
    "wide.jsonl": ('{"text": "a"}'.encode("utf-16"), r"wide.jsonl:1: is not UTF-8.*UTF-16"),
    "nul.txt": ("a\nb\0", r"nul.txt:2: holds a NUL"),
    "ragged.csv": ("a,b\n1,2\n3\n", r"ragged.csv:3: has 1 columns where 2 were expected \(a, b\)"),
    "wide.tsv": ("a\tb\n1\t2\t3\n", r"wide.tsv:2: has 3 columns where 2 were expected"),
    "twice.csv": ("a,b,a\n1,2,3\n", r"twice.csv:1: the column 'a' is named twice"),
    "quote.csv": ('a,b\n1,2\n"3,4\n5,6\n', r"quote.csv:3: the record that starts here is not valid CSV"),
    "stray.csv": ('a,b\n"1"x,2\n', r"stray.csv:2: the record that starts here is not valid CSV"),
    "plain.txt.gz": (None, "cut short or damaged"),
    "what.xml": ("<a/>", "cannot tell what this is"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_in_full_is_refused_in_one_sentence(name, tmp_path):
    content, match = REFUSED[name]
    (tmp_path / name).write_bytes(
        b"not gzip" if content is None else content if isinstance(content, bytes) else content.encode()
    )
    with pytest.raises(InputError, match=match) as refusal:
        read_records(tmp_path / name)
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_cut_gzip_file_is_refused(tmp_path):
    whole = gzip.compress(b'{"text": "hello"}\n' * 1000)
    for size in (1, 5, len(whole) // 2, len(whole) - 1):
        (tmp_path / "a.jsonl.gz").write_bytes(whole[:size])
        with pytest.raises(InputError, match="cut short or damaged"):
            read_records(tmp_path / "a.jsonl.gz")


def test_missing_paths_and_fields_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or directory"):
        read_records(tmp_path / "none.txt")
    with pytest.raises(InputError, match="no file matches"):
        read_records(tmp_path / "*.txt")
    with pytest.raises(InputError, match=r"no \.txt, \.jsonl"):
        read_records(tmp_path)
    file = put(tmp_path / "a.jsonl", '{"text": "x", "label": 1}\n{"txt": "y"}\n')
    with pytest.raises(InputError, match=r"a.jsonl:2: has no field 'text'; its fields are 'txt'"):
        read_records(file, fields=("text",))
    with pytest.raises(InputError, match="documents='page' is unknown"):
        read_records(file, documents="page")


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "txt", "jsonl.gz"])
@given(data=st.binary(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_but_never_crash(kind, data, tmp_path):
    file = tmp_path / f"fuzz.{kind}"
    file.write_bytes(data)
    try:
        assert read_records(file)
    except InputError as error:
        assert str(file) in str(error)  # noqa: PT017
        assert "\n" not in str(error).replace(str(file), "")  # noqa: PT017


FIELDS = st.dictionaries(
    st.text(max_size=5), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=3
)


@given(objects=st.lists(FIELDS, min_size=1, max_size=5), ascii_only=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_record_is_lost(objects, ascii_only, tmp_path):
    file = tmp_path / "all.jsonl"
    file.write_text("\n".join(json.dumps(o, ensure_ascii=ascii_only) for o in objects), encoding="utf-8", newline="")
    assert [r.values for r in read_records(file)] == objects


def test_a_directory_is_read_with_what_its_links_lead_to(tmp_path):
    for name in ("texts/a.txt", "other/b.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    (tmp_path / "texts" / "linked").symlink_to(tmp_path / "other")
    assert [record.values["text"] for record in read_records(tmp_path / "texts")] == ["texts/a.txt", "other/b.txt"]
    link = tmp_path / "other" / "c.txt"
    link.symlink_to("gone.txt")
    for place in (tmp_path / "texts", tmp_path / "other" / "*.txt"):
        with pytest.raises(InputError, match=r"c.txt: is a link to gone.txt, which is not there"):
            read_records(place)
    link.unlink()
    (tmp_path / "other" / "up").symlink_to("..")
    with pytest.raises(InputError, match=r"linked/up/other: is a link to a folder that it lies in"):
        read_records(tmp_path / "texts")
