"""Learning a vocabulary: the same texts give the same ids in every process.

What `tokenizers` 0.23 itself promises differs by kind, which is why this file exists:
- byte-level BPE: its trainer is a function of the texts.
- WordPiece: its trainer numbers the "##x" characters in hash order, and every later tie follows. Handing over the whole
  alphabet in sorted order, as if it were special, removes the choice; the result is then rebuilt from the bare
  vocabulary.
- Unigram: its trainer sums floats in hash order, so scores differ in the last digits. Here scores are rounded and
  tokens are sorted by score, then spelling. That holds as long as the trainer keeps the same set of tokens, which is
  what was seen, but is not proved: keep the trained file, and never train again on resume.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers

from errors import InputError

ROBERTA_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# As in BERT and SentencePiece, rarer characters than these become unknown.
ALPHABET_LIMIT = 1000
SCORE_DIGITS = 6


def train(kind: str, texts: Iterable[str], *, vocab_size: int) -> tokenizers.Tokenizer:
    """A trained tokenizer of `kind` "byte_bpe", "wordpiece" (lower-cased, as BERT uncased) or "unigram"."""
    if kind not in TRAINERS:
        raise InputError(f"tokenizer kind {kind!r} is unknown; choose one of {', '.join(TRAINERS)}")
    texts = texts if isinstance(texts, Sequence) else list(texts)
    if not any(text.strip() for text in texts):
        raise InputError("there is no text to train a tokenizer on: every document is empty")
    return TRAINERS[kind](texts, vocab_size)


def _byte_bpe(texts: Sequence[str], vocab_size: int) -> tokenizers.Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    _refuse_small(vocab_size, len(ROBERTA_SPECIALS) + len(alphabet))
    tokenizer = byte_level(models.BPE())
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            special_tokens=byte_level_specials(ROBERTA_SPECIALS),
            initial_alphabet=alphabet,
            show_progress=False,
        ),
        length=len(texts),
    )
    return tokenizer


def byte_level_specials(names: Iterable[str]) -> list[AddedToken]:
    """RoBERTa's mask swallows the space before it, so that "a <mask>" reads as one word would: with the space in it."""
    return [AddedToken(name, lstrip=name == "<mask>", normalized=False) for name in names]


def byte_level(model: models.BPE) -> tokenizers.Tokenizer:
    """GPT-2's rules around a BPE model: bytes as letters, no normalisation, exact round trip."""
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _wordpiece(texts: Sequence[str], vocab_size: int) -> tokenizers.Tokenizer:
    draft = wordpiece(models.WordPiece(unk_token="[UNK]"), lowercase=True)
    alphabet, rare = _alphabet(texts, draft.normalizer)
    first = [*BERT_SPECIALS, *alphabet, *("##" + c for c in alphabet)]
    _refuse_small(vocab_size, len(first))
    draft.train_from_iterator(
        (text.translate(rare) for text in texts) if rare else texts,
        trainers.WordPieceTrainer(vocab_size=vocab_size, min_frequency=2, special_tokens=first, show_progress=False),
        length=len(texts),
    )
    vocab = draft.get_vocab(with_added_tokens=True)
    tokenizer = wordpiece(models.WordPiece(vocab, unk_token="[UNK]"), lowercase=True)
    tokenizer.add_special_tokens(list(BERT_SPECIALS))
    return tokenizer


def wordpiece(model: models.WordPiece, *, lowercase: bool) -> tokenizers.Tokenizer:
    """BERT's rules around a WordPiece model; lower-casing also strips accents."""
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _unigram(texts: Sequence[str], vocab_size: int) -> tokenizers.Tokenizer:
    rules = (_unigram_normalizer(), _unigram_pre_tokenizer())
    draft = tokenizers.Tokenizer(models.Unigram())
    draft.normalizer, draft.pre_tokenizer = rules
    alphabet, rare = _alphabet(texts, draft.normalizer)
    _refuse_small(vocab_size, len(ROBERTA_SPECIALS) + len(alphabet) + 1)
    draft.train_from_iterator(
        (text.translate(rare) for text in texts) if rare else texts,
        trainers.UnigramTrainer(
            vocab_size=vocab_size, special_tokens=list(ROBERTA_SPECIALS), unk_token="<unk>", show_progress=False
        ),
        length=len(texts),
    )
    scored = [(token, round(score, SCORE_DIGITS)) for token, score in _scores(draft) if token not in ROBERTA_SPECIALS]
    pieces = sorted(scored, key=lambda piece: (-piece[1], piece[0]))
    vocab = [(token, 0.0) for token in ROBERTA_SPECIALS] + pieces
    tokenizer = tokenizers.Tokenizer(models.Unigram(vocab, unk_id=ROBERTA_SPECIALS.index("<unk>")))
    tokenizer.normalizer, tokenizer.pre_tokenizer = rules
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(list(ROBERTA_SPECIALS))
    return tokenizer


def _unigram_normalizer() -> normalizers.Normalizer:
    return normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(left=True, right=True)]
    )


def _unigram_pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    # Punctuation stands alone so that no text can contain the piece "<mask>", which Unigram would otherwise prefer.
    return pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])


def _scores(tokenizer: tokenizers.Tokenizer) -> list[tuple[str, float]]:
    import json

    return [(token, score) for token, score in json.loads(tokenizer.to_str())["model"]["vocab"]]


def _alphabet(texts: Sequence[str], normalizer: normalizers.Normalizer) -> tuple[list[str], dict[int, str]]:
    """The characters kept, sorted, and a translation that blanks the others (empty if all are kept)."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    characters = [(c, n) for c, n in counts.items() if not c.isspace()]
    kept = sorted(characters, key=lambda item: (-item[1], item[0]))[:ALPHABET_LIMIT]
    rare = {ord(c): " " for c, _ in set(characters) - set(kept)}
    return sorted(c for c, _ in kept), rare


def _refuse_small(vocab_size: int, least: int) -> None:
    if vocab_size < least:
        raise InputError(
            f"a vocabulary of {vocab_size} tokens cannot hold the {least} of its alphabet and special tokens"
        )


TRAINERS = {"byte_bpe": _byte_bpe, "wordpiece": _wordpiece, "unigram": _unigram}
