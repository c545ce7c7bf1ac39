"""SentencePiece models, against transformers' tokenizers and against SentencePiece itself."""

import io
import json

import pytest
import sentencepiece
import tokenizers
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from data import sentencepiece_files, tokenizer_files
from data import tokenizer as tokenizer_module
from data.tokenizer import Tokenizer
from errors import InputError
from tests.data.awkward import AWKWARD, PROSE, WITH_SPECIALS, assert_same_as_transformers

T5 = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "normalization_rule_name": "nmt_nfkc"}
ALBERT = {
    "pad_id": 0,
    "unk_id": 1,
    "bos_id": 2,
    "eos_id": 3,
    "bos_piece": "[CLS]",
    "eos_piece": "[SEP]",
    "control_symbols": ["[MASK]"],
    "user_defined_symbols": ["(", ")", "£"],
}
LLAMA = {
    "model_type": "bpe",
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "vocab_size": 500,
    "split_digits": True,
}
FAMILIES = {
    "t5": (T5, "spiece.model", "T5Tokenizer"),
    "albert": (ALBERT, "spiece.model", "AlbertTokenizer"),
    "xlm-roberta": ({}, "sentencepiece.bpe.model", "XLMRobertaTokenizer"),
    "llama": (LLAMA, "tokenizer.model", "LlamaTokenizer"),
}


def trained(**options) -> bytes:
    file = io.BytesIO()
    settings = {"model_type": "unigram", "vocab_size": 160, "hard_vocab_limit": False, "minloglevel": 2} | options
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(PROSE), model_writer=file, **settings)
    return file.getvalue()


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    """For each family a directory as transformers lays it out: the model under its name, and config.json."""
    made = {}
    for family, (options, name, _) in FAMILIES.items():
        made[family] = tmp_path_factory.mktemp(family)
        (made[family] / name).write_bytes(trained(**options))
        (made[family] / "config.json").write_text(json.dumps({"model_type": family}))
    return made


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_directory_gives_the_ids_and_offsets_that_transformers_gives(family, directories):
    transformers = pytest.importorskip("transformers")
    theirs = getattr(transformers, FAMILIES[family][2]).from_pretrained(directories[family])
    assert_same_as_transformers(directories[family], theirs, AWKWARD)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_with_special_tokens_is_read_as_transformers_reads_it(family, directories):
    transformers = pytest.importorskip("transformers")
    theirs = getattr(transformers, FAMILIES[family][2]).from_pretrained(directories[family])
    ours = Tokenizer.load(directories[family])
    for text in WITH_SPECIALS:
        assert ours.encode(text, specials=True).tolist() == theirs(text, add_special_tokens=False)["input_ids"], text


@pytest.mark.parametrize("family", ["t5", "llama"])
def test_the_ids_are_those_of_sentencepiece_itself(family, directories):
    path = directories[family] / FAMILIES[family][1]
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ours = Tokenizer.load(path)
    # Where transformers and SentencePiece differ, ours is as transformers: SentencePiece alone doubles a space before a
    # text that starts with one (Llama's rules), and does not count U+0085 as white space (T5's).
    alike = [text for text in AWKWARD if "\u0085" not in text and (family == "t5" or not text.startswith(" "))]
    for text in [*alike, *PROSE, "a <s> b", "sail <pad>"]:
        assert ours.encode(text).tolist() == theirs.encode(text), text


@pytest.mark.parametrize("family", FAMILIES)
def test_a_special_token_spelled_out_in_a_document_is_ordinary_text(family, directories):
    t = Tokenizer.load(directories[family])
    special = set(t.special_ids.tolist()) - {t.unk_id}
    for text in WITH_SPECIALS:
        assert not special & set(t.encode(text).tolist()), text


def test_t5_gets_its_hundred_sentinels_the_last_one_first(directories):
    t = Tokenizer.load(directories["t5"] / "spiece.model")
    pieces = t.vocab_size - 100
    assert [t.token(pieces + i) for i in (0, 1, 99)] == ["<extra_id_99>", "<extra_id_98>", "<extra_id_0>"]
    assert set(range(pieces, pieces + 100)) < set(t.special_ids.tolist())
    assert t.encode("a <extra_id_7> b", specials=True).tolist().count(pieces + 92) == 1


@pytest.mark.parametrize(("asked", "sentinels"), [(0, 0), (5, 5)])
def test_the_number_of_sentinels_may_stand_in_tokenizer_config(asked, sentinels, directories, tmp_path):
    raw = (directories["t5"] / "spiece.model").read_bytes()
    (tmp_path / "spiece.model").write_bytes(raw)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"extra_ids": asked}))
    assert Tokenizer.load(tmp_path).vocab_size == len(ModelProto.FromString(raw).pieces) + sentinels


def test_sentinels_that_the_file_has_are_kept_and_lose_the_mark_of_a_space(tmp_path):
    names = [f"▁<extra_id_{k}>" for k in (2, 1, 0)]
    path = tmp_path / "own.model"
    path.write_bytes(trained(**T5, user_defined_symbols=names))
    t = Tokenizer.load(path)
    stored = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert t.vocab_size == stored.get_piece_size()
    prompt = "sail <extra_id_1> on <extra_id_0>"
    assert t.encode(prompt, specials=True).tolist() == stored.encode(prompt)
    assert t.encode(prompt).tolist() != stored.encode(prompt)


def test_an_unknown_character_has_the_id_of_the_piece_that_is_marked_unknown(tmp_path):
    model = ModelProto.FromString(trained(**T5))
    model.pieces.insert(2, ModelProto.SentencePiece(piece="<s>", score=0, type=ModelProto.SentencePiece.CONTROL))
    (tmp_path / "shifted.model").write_bytes(model.SerializeToString())  # trainer_spec.unk_id still says 2
    assert Tokenizer.load(tmp_path / "shifted.model").encode("☃").tolist()[-1] == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_long_text_cut_into_parts_gets_the_same_ids(family, directories, monkeypatch):
    gaps = [" ", "\n", "  ", " \n ", "\t", ".\n\n"]
    words = " ".join(PROSE).split(" ")
    text = "".join(word + gaps[(i * i + i // 7) % len(gaps)] for i, word in enumerate(words))
    t = Tokenizer.load(directories[family])
    whole = t.encode(text).tolist()
    monkeypatch.setattr(tokenizer_module, "PART_CHARS", 200)
    assert t.encode(text).tolist() == whole


@pytest.mark.parametrize("family", FAMILIES)
def test_saving_and_loading_changes_nothing(family, directories, tmp_path):
    t = Tokenizer.load(directories[family])
    t.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.sha256 == t.sha256
    assert [x.tolist() for x in again.encode_batch(AWKWARD)] == [x.tolist() for x in t.encode_batch(AWKWARD)]
    assert again.decode(again.encode("It was naïve")) == t.decode(t.encode("It was naïve"))


def test_scores_are_saved_to_the_last_bit_so_that_equal_sums_stay_equal(tmp_path):
    pieces = [("<unk>", 0.0), ("-", -5.1 / 3), *(("-" * n, -1.7 * n - 1 / (n + 6)) for n in range(2, 30))]
    backend = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, unk_id=0))
    assert tokenizers.Tokenizer.from_str(backend.to_str()).to_str() != backend.to_str()
    assert tokenizers.Tokenizer.from_str(tokenizer_files.written(backend)).to_str() == backend.to_str()


@pytest.mark.parametrize("score", [0.0, -0.0, -2.0, 0.1, -3.1067306995391846, 1e-300, -1e300, 5e-324, 1 / 3, 2.0**60])
def test_a_score_is_written_as_a_number_that_json_reads_as_the_same_float(score):
    assert json.loads(tokenizer_files._exact(score)) == score


def test_every_length_at_which_a_model_may_be_cut_off_is_refused(tmp_path):
    raw = trained(**T5 | {"normalization_rule_name": "identity"})
    path = tmp_path / "spiece.model"
    for length in range(0, len(raw) - 1, 7):
        path.write_bytes(raw[:length])
        with pytest.raises(InputError, match=r"spiece.model: is (damaged|cut short)"):
            tokenizer_files.load(path)


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf"])
def test_a_table_of_characters_is_sound_until_a_value_or_a_child_points_outside(rule):
    table = ModelProto.FromString(trained(normalization_rule_name=rule)).normalizer_spec.precompiled_charsmap
    assert sentencepiece_files._is_sound(table)
    size = int.from_bytes(table[:4], "little")
    units = [int.from_bytes(table[4 + at : 8 + at], "little") for at in range(0, size, 4)]
    value = next(i for i, unit in enumerate(units) if unit >> 31 and unit & 0x7FFFFFFF)
    inner = next(i for i, unit in enumerate(units) if not unit >> 31)
    for at, unit in ((value, 0xFFFFFFF0), (inner, 0x7FFFFC00)):
        damaged = bytearray(table)
        damaged[4 + 4 * at : 8 + 4 * at] = unit.to_bytes(4, "little")
        assert not sentencepiece_files._is_sound(bytes(damaged))
    assert not any(sentencepiece_files._is_sound(bad) for bad in (b"", b"abc", table[:size], table[: size + 4]))


def _changed(**pieces_or_specs) -> bytes:
    model = ModelProto.FromString(trained(**T5))
    for name, value in pieces_or_specs.items():
        holder, _, field = name.partition("__")
        setattr(model.pieces[4] if holder == "piece" else getattr(model, holder), field, value)
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"piece__piece": ""}, "damaged: a piece is empty"),
        ({"piece__piece": "</s>"}, "there twice"),
        ({"piece__score": float("nan")}, "without a score"),
        ({"piece__type": 2}, "<unk> is missing"),
        ({"trainer_spec__model_type": 3}, "word or character pieces is not read here"),
        ({"trainer_spec__treat_whitespace_as_suffix": True}, "spaces at the end of words"),
        ({"trainer_spec__split_by_whitespace": False}, "pieces of several words"),
        ({"normalizer_spec__escape_whitespaces": False}, "spaces left as they are"),
        ({"normalizer_spec__add_dummy_prefix": False}, "no space before a text"),
        ({"normalizer_spec__precompiled_charsmap": b"\xff\xff\xff\xffabc"}, "is damaged"),
    ],
)
def test_models_that_are_damaged_or_of_another_kind_are_refused(changes, match, tmp_path):
    (tmp_path / "spiece.model").write_bytes(_changed(**changes))
    with pytest.raises(InputError, match=match):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"config.json": '{"model_type": "camembert"}'}, "how camembert numbers"),
        ({"config.json": '{"model_type": "xlm-roberta"}'}, "so it is not XLM-RoBERTa's"),
        ({"config.json": "{"}, "config.json:1: is not JSON"),
        ({"config.json": "[]"}, "one JSON object"),
        ({"tokenizer_config.json": '{"extra_ids": "many"}'}, "extra_ids='many'"),
        ({"tokenizer_config.json": '{"extra_ids": 1000000000}'}, "no number of sentinels"),
    ],
)
def test_what_stands_beside_a_model_is_refused_if_it_cannot_be_used(files, match, directories, tmp_path):
    (tmp_path / "spiece.model").write_bytes((directories["t5"] / "spiece.model").read_bytes())
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=match):
        Tokenizer.load(tmp_path)


def test_a_task_that_needs_a_mask_is_told_that_t5_has_none(directories):
    with pytest.raises(InputError, match="this tokenizer has no mask token"):
        _ = Tokenizer.load(directories["t5"]).mask_id
