"""Byte-pair vocabularies from files: vocab.json with merges.txt, CLIP's list of merges, OpenAI's .tiktoken ranks."""

import base64
import json
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors

from data.records import read_text
from data.tokenizer_training import byte_level, byte_level_specials
from errors import InputError

# Vocabulary and merges: today's names, and those of GPT-2's first release.
PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|startoftext|>", "<|endoftext|>")
# CLIP's list has 262,144 merges, its vocabulary 49,408 entries: 2 x 256 bytes, the first merges, 2 special tokens.
CLIP_MERGES = 49_408 - 2 * 256 - 2
CLIP_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
# All of Whisper's multilingual models but the third large one, which has a hundredth language.
WHISPER_LANGUAGES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su"
)
WHISPER_TASKS = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
WHISPER_TIMES = 1501  # 0 to 30 seconds in steps of 0.02


def load_pair(vocab: Path, merges: Path) -> tokenizers.Tokenizer:
    """GPT-2's, RoBERTa's or CLIP's rules around the two files; which of them the vocabulary shows."""
    for path in (vocab, merges):
        if not path.exists():
            raise InputError(f"{path}: missing; byte-level BPE needs both {vocab.name} and {merges.name}")
    try:
        ids = json.loads(read_text(vocab))
    except json.JSONDecodeError as error:
        raise InputError(f"{vocab}:{error.lineno}: is not JSON ({error.msg})") from error
    if not isinstance(ids, dict) or not all(type(i) is int and 0 <= i < 2**31 for i in ids.values()):
        raise InputError(f"{vocab}: should map each token to its id")
    if not ids or len(set(ids.values())) < len(ids):
        raise InputError(f"{vocab}: {'holds no token' if not ids else 'gives one id to two tokens'}; fetch it again")
    pairs = _known(_merges(merges, read_text(merges)), ids, merges)
    _refuse_short(merges, pairs, ids)
    if "a</w>" not in ids:
        return _with_specials(byte_level(models.BPE(ids, pairs)), ids)
    if "<|startoftext|>" not in ids:
        raise InputError(f"{vocab}: its words end in </w>, but it is not CLIP's, which has a token <|startoftext|>")
    return _clip(ids, pairs)


def load_clip(path: Path, text: str) -> tokenizers.Tokenizer:
    """OpenAI's `bpe_simple_vocab_16e6.txt`, whose content is `text`: a title, then merges, which give the ids."""
    merges = dict(list(_merges(path, text).items())[:CLIP_MERGES])
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = ["".join(pair) for pair in merges.values()]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *made, "<|startoftext|>", "<|endoftext|>"]
    ids = {token: i for i, token in enumerate(tokens)}
    if len(ids) < len(tokens):
        raise InputError(f"{path}: two of its merges make the same token, so it is not CLIP's list")
    return _clip(ids, _known(merges, ids, path))


def load_ranks(path: Path) -> tokenizers.Tokenizer:
    """A `.tiktoken` file: on each line the bytes of a token in base64 and its rank, which is its id.

    "<|endoftext|>" follows the last rank; after Whisper's ranks, which end in an empty token, its other special tokens.
    The file does not say how text is cut into words. GPT-2's way is taken (Whisper, gpt2, r50k_base).

    Raises:
      InputError: a damaged line, a byte without a token, or tokens that GPT-2's way would cut, as cl100k_base's.
    """
    ranks: dict[str, int] = {}
    for number, line in enumerate(read_text(path).rstrip("\n").split("\n"), 1):
        token, rank = _rank(path, number, line)
        if rank != len(ranks) or token in ranks:
            raise InputError(f"{path}:{number}: should hold a new token of rank {len(ranks)}, not {line!r}")
        ranks[token] = rank
    if missing := set(pre_tokenizers.ByteLevel.alphabet()) - ranks.keys():
        raise InputError(f"{path}: {len(missing)} of the 256 bytes have no token, so it is cut short or damaged")
    tokenizer = byte_level(models.BPE(ranks, merges_of(ranks), ignore_merges=True))
    # A few tokens, as "'S", were learnt from words cut otherwise; a tenth of cl100k_base's tokens would be.
    if sum(len(_words(tokenizer, token)) > 1 for token in ranks) > len(ranks) / 100:
        raise InputError(f"{path}: its tokens are cut from text otherwise than GPT-2's; convert it to tokenizer.json")
    specials = ["<|endoftext|>"]
    if "" in ranks:
        names = ("startoftranscript", *WHISPER_LANGUAGES.split(), *WHISPER_TASKS)
        specials += [f"<|{name}|>" for name in names] + [f"<|{0.02 * i:.2f}|>" for i in range(WHISPER_TIMES)]
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in specials])
    return tokenizer


def merges_of(ranks: dict[str, int], *, skip: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Every way to make a token of `ranks` out of two others, lowest rank first; what is in `skip` is not made."""
    merges = []
    for token in ranks.keys() - skip:
        halves = ((token[:at], token[at:]) for at in range(1, len(token)))
        merges += [(ranks[token], ranks[a], ranks[b], a, b) for a, b in halves if a in ranks and b in ranks]
    return [(a, b) for *_, a, b in sorted(merges)]


def _merges(path: Path, text: str) -> dict[int, tuple[str, str]]:
    """The merges by the number of their line."""
    pairs = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line or (number == 1 and "#version" in line):
            continue
        pair = line.split(" ")
        if len(pair) != 2:
            raise InputError(f"{path}:{number}: a merge is two tokens separated by one space, not {line!r}")
        pairs[number] = (pair[0], pair[1])
    return pairs


def _known(merges: dict[int, tuple[str, str]], ids: dict[str, int], path: Path) -> list[tuple[str, str]]:
    for number, pair in merges.items():
        if any(token not in ids for token in (*pair, "".join(pair))):
            line = " ".join(pair)
            raise InputError(f"{path}:{number}: the merge {line!r} uses a token that the vocabulary lacks")
    return list(merges.values())


def _refuse_short(merges: Path, pairs: list[tuple[str, str]], ids: dict[str, int]) -> None:
    """A list of merges cut at the end of a line would cut words otherwise, and nobody would see it."""
    single = {token for token in ids if len(token.removesuffix("</w>")) <= 1 or token[0] + token[-1] in ("<>", "[]")}
    missing = ids.keys() - single - {"".join(pair) for pair in pairs}
    if len(missing) > len(ids) / 100:  # RoBERTa's has three such as madeupword0001
        raise InputError(
            f"{merges}: makes {len(pairs)} tokens, and {len(missing)} more of the vocabulary, as {min(missing)!r}, "
            "come of no merge: it is cut short or another vocabulary's; fetch it again"
        )


def _with_specials(tokenizer: tokenizers.Tokenizer, ids: dict[str, int]) -> tokenizers.Tokenizer:
    tokenizer.add_special_tokens(byte_level_specials(name for name in SPECIALS if name in ids))
    if "<s>" in ids:  # RoBERTa's offsets leave out the space that begins a token; GPT-2's do not
        tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=True)
    return tokenizer


def _clip(ids: dict[str, int], merges: list[tuple[str, str]]) -> tokenizers.Tokenizer:
    """CLIP's rules: composed, lower-cased, white space only separates, and a word's last token ends in "</w>"."""
    tokenizer = byte_level(models.BPE(ids, merges, end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, tokenizer.pre_tokenizer])
    ends = [decoders.Replace("</w>", " "), decoders.Strip(" ", 0, 1)]
    tokenizer.decoder = decoders.Sequence([tokenizer.decoder, *ends])
    return _with_specials(tokenizer, ids)


def _rank(path: Path, number: int, line: str) -> tuple[str, int]:
    try:
        code, rank = line.split(" ")
        token = b"" if code == "=" else base64.b64decode(code, validate=True)  # "=" is how Whisper's file ends
        return "".join(_LETTERS[byte] for byte in token), int(rank)
    except ValueError as error:
        raise InputError(f"{path}:{number}: should be a token in base64, a space and a number, not {line!r}") from error


def _words(tokenizer: tokenizers.Tokenizer, token: str) -> list[tuple[str, tuple[int, int]]]:
    return tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.decoder.decode([token]))


def _byte_letters() -> list[str]:
    """Which letter byte-level BPE writes for each byte: itself if it is printed, else the next one from U+0100."""
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printed]
    return [chr(byte) if byte in printed else chr(0x100 + others.index(byte)) for byte in range(256)]


_LETTERS = _byte_letters()
