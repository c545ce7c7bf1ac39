import gzip
from types import SimpleNamespace

import pytest

from data.tokenizer import Tokenizer
from experiments.tokenizers.compare import Comparison, read_lines
from experiments.tokenizers.page import lines_table
from experiments.tokenizers.peers import Vocabulary, lay_out

LINES = ["sail on", "", "sail"]


@pytest.fixture
def path(tmp_path):
    return Tokenizer.train("byte_bpe", LINES * 9, vocab_size=270).save(tmp_path)


def counts(path, *, peer, maker=None, renamed=None):
    found = Comparison(Vocabulary("small", {}, lambda _: peer, maker, renamed), path).run(LINES)
    return [found[key] for key in ("lines", "ids", "ids_renamed", "offsets", "face", "maker_ids")], found["examples"]


def peer_of(path, change_ids=lambda ids: ids, change_offsets=lambda offsets: offsets):
    backend = Tokenizer.load(path)._backend

    def peer(texts, **_):
        encoded = backend.encode_batch(texts, add_special_tokens=False)
        ids, offsets = [change_ids(e.ids) for e in encoded], [change_offsets(e.offsets) for e in encoded]
        return {"input_ids": ids, "offset_mapping": offsets}

    return peer


def test_lines_that_differ_are_counted_in_ids_and_in_offsets(path):
    own = Tokenizer.load(path)
    assert counts(path, peer=peer_of(path)) == ([3, 0, 0, 0, 0, None], [])
    shifted = peer_of(path, change_ids=lambda ids: [i + 1 for i in ids])
    assert counts(path, peer=shifted)[0] == [3, 2, 2, 0, 0, None]
    late = peer_of(path, change_offsets=lambda offsets: [(a, b + 1) for a, b in offsets])
    found, examples = counts(path, peer=late, maker=lambda _: lambda lines: [own.encode(x).tolist() for x in lines])
    assert found == [3, 0, 0, 2, 0, 0]
    assert [example["line"] for example in examples] == ["sail on", "sail"]


def test_an_id_that_only_the_peer_gives_is_counted_apart(path):
    first = int(Tokenizer.load(path).encode("sail")[0])
    peer = peer_of(path, change_ids=lambda ids: [999 if i == first else i for i in ids])
    assert counts(path, peer=peer, renamed=(999, first))[0] == [3, 2, 0, 0, 0, None]


def test_every_line_of_every_file_is_read_as_it_is(tmp_path):
    for name, text in (("b.en.gz", "two\n"), ("a.en.gz", "one\r\n\n x ")):
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    assert read_lines(tmp_path, "*.en.gz") == ["one\r", "", " x ", "two", ""]
    with pytest.raises(SystemExit, match=r"holds no \*.de.gz"):
        read_lines(tmp_path, "*.de.gz")


def test_files_are_laid_out_under_the_names_they_were_published_with(tmp_path):
    (tmp_path / "x-vocab.txt.gz").write_bytes(gzip.compress(b"[UNK]\n"))
    wanted = SimpleNamespace(files={"x-vocab.txt.gz": "vocab.txt"})
    path = lay_out(wanted, tmp_path, tmp_path)
    assert (path.name, path.read_bytes()) == ("vocab.txt", b"[UNK]\n")


def test_the_table_has_a_row_for_each_corpus_and_the_sum_of_differences():
    row = {"vocabulary": "T5", "corpus": "novels", "lines": 4000, "tokens": 8_000_000, "ids": 7, "ids_renamed": 0}
    row |= {"offsets": 0, "face": 0, "maker_ids": 0, "seconds_ours": 4.0, "seconds_theirs": 8.0}
    origin = {"command": "c", "commit": "1234567890", "cpu": "x", "cores": 2, "versions": {}}
    table = lines_table(origin | {"rows": [row, row | {"vocabulary": "BERT", "maker_ids": None, "offsets": 2}]})
    assert "| T5 | novels | 4,000 | 8,000,000 | 7 | 0 | 0 | 0 | 2.00 / 1.00 |" in table
    assert "| BERT | novels | 4,000 | 8,000,000 | 7 | 0 | 2 | - | 2.00 / 1.00 |" in table
    assert "In all 8,000 lines compared. Once <unk> has its id, 0 differ from transformers in ids and 2 in" in table
