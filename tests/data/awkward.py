"""Texts on which tokenizers are apt to differ, and what it means that two do not."""

from data import tokenizer_files
from data.tokenizer import Tokenizer

PROSE = [
    f"Chapter {i}. It was the {i}th day; the captain said: 'Sail on, sail on!' Ünïcode 漢字 naïve {i * 7}"
    for i in range(60)
]
AWKWARD = [
    "",
    " ",
    "   \t \n ",
    "sail on",
    " sail on ",
    "sail  on   the\tsea\n\nnow\r\n",
    "Größe, Übermut und Straßenbahn: ÄÖÜ äöü ẞß",
    "e\u0301tude cafe\u0301 n\u0303 A\u030angstro\u0308m \u1e9b\u0323",
    "İstanbul ŒUVRE ǅ ﬁn ﬀ ½ ² ①",
    "smile 😀 family 👨‍👩‍👧‍👦 flag 🇩🇪 skin 👍🏽",
    "漢字かな交じり文 と 한국어, 全角ＡＢＣ１２３　空白",
    "العربية עברית हिन्दी ไทย",
    "don't DON'T we'll I'VE 'tis rock'n'roll ''quoted'' ``so''",
    "3.14159, 1,000,000 and 007; $5 @ 10% #tag a_b-c/d\\e|f~g^h`i{j}",
    "zero\u200bwidth soft\u00adhyphen no\u00a0break \ufeffmark \u2028line \u0085next \u3000wide",
    "control \x01\x02\x7f characters, \ufffd replacement, ⁇ and ▁ underscore▁inside",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 4,
    "a" * 300,
    "!?" * 100,
    "☃ unknown ☃☃ ⛄",
    "URL https://example.org/a?b=c&d=e#f and mail a.b+c@example.org",
    "It was naïve; the captain said: 'Sail on!'",
]
WITH_SPECIALS = [
    "sail </s> on",
    "<s>sail</s>",
    "a <pad><unk> b",
    "sail [MASK] on [SEP]",
    "[CLS] sail",
    "the <mask> sea",
    "<extra_id_0> sails <extra_id_99>",
    "x<|endoftext|>y <|startoftext|> z",
]


def assert_same_as_transformers(path, theirs, texts):
    """Equal ids, equal characters of the text where each token begins and ends; and our face gives the same ids."""
    expected = theirs(texts, add_special_tokens=False, return_offsets_mapping=True)
    found = tokenizer_files.load(path).encode_batch(texts, add_special_tokens=False)
    faces = Tokenizer.load(path).encode_with_starts(texts)
    for text, our, (face, _), ids, offsets in zip(
        texts, found, faces, expected["input_ids"], expected["offset_mapping"], strict=True
    ):
        assert our.ids == ids, text
        assert our.offsets == offsets, text
        assert face.tolist() == ids, text
