"""The five published vocabularies, as transformers reads them and as their makers' own libraries do."""

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIP_MERGES = 49_152 - 256 - 2  # as OpenAI's simple_tokenizer.py has it


@dataclass(frozen=True)
class Vocabulary:
    """`files` maps names below the data folder to the names our reader knows; the first of them is what it is given."""

    name: str
    files: dict[str, str]
    peer: Callable[[Path], Any]
    maker: Callable[[Path], Callable[[Sequence[str]], list[list[int]]]] | None = None
    renamed: tuple[int, int] | None = None  # an id that transformers alone gives, and the right one


def lay_out(vocabulary: Vocabulary, data: Path, directory: Path) -> Path:
    """Copies the files under the names that they were published with; returns the one to load."""
    for source, name in vocabulary.files.items():
        content = (data / source).read_bytes()
        zipped = source.endswith(".gz") and not name.endswith(".gz")
        (directory / name).write_bytes(gzip.decompress(content) if zipped else content)
    return directory / next(iter(vocabulary.files.values()))


def _bert(path: Path) -> Any:
    from transformers import BertTokenizer

    return BertTokenizer.from_pretrained(path.parent)


def _gpt2(path: Path) -> Any:
    from transformers import GPT2Tokenizer

    merges = [tuple(line.split()) for line in path.with_name("vocab.bpe").read_text(encoding="utf-8").split("\n")[1:-1]]
    return GPT2Tokenizer(vocab=json.loads(path.read_text(encoding="utf-8")), merges=merges)


def _clip(path: Path) -> Any:
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1 : CLIP_MERGES + 1]]
    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(merge) for merge in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)


def _t5(path: Path) -> Any:
    from transformers import T5Tokenizer

    return T5Tokenizer.from_pretrained(path.parent, extra_ids=0)  # the file has its own sentinels


def _sentencepiece(path: Path) -> Callable[[Sequence[str]], list[list[int]]]:
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_file=str(path)).encode


def _ranks(path: Path) -> dict[bytes, int]:
    lines = gzip.decompress(path.read_bytes()).split()
    return {base64.b64decode(code): int(rank) for code, rank in zip(lines[::2], lines[1::2], strict=True)}


def _whisper(path: Path) -> Any:
    from transformers import WhisperTokenizer
    from transformers.convert_slow_tokenizer import TikTokenConverter

    class Converter(TikTokenConverter):
        load_tiktoken_bpe = staticmethod(_ranks)  # without the download that tiktoken's own would prepare

    vocab, merges = Converter().extract_vocab_merges_from_model(path)
    return WhisperTokenizer(vocab=vocab, merges=merges)


def _tiktoken(path: Path) -> Callable[[Sequence[str]], list[list[int]]]:
    import tiktoken
    from tiktoken_ext.openai_public import r50k_pat_str

    encoding = tiktoken.Encoding(
        "whisper", pat_str=r50k_pat_str, mergeable_ranks=_ranks(path), special_tokens={"<|endoftext|>": 50257}
    )
    return encoding.encode_ordinary_batch


VOCABULARIES = (
    Vocabulary("BERT, uncased", {"vocab/bert-base-uncased-vocab.txt.gz": "vocab.txt"}, _bert),
    Vocabulary(
        "GPT-2",
        {"vocab/gpt2-encoder.json.gz": "encoder.json", "vocab/gpt2-vocab.bpe.gz": "vocab.bpe"},
        _gpt2,
    ),
    Vocabulary("CLIP", {"vocab/clip_bpe_simple_vocab_16e6.txt.gz": "bpe_simple_vocab_16e6.txt.gz"}, _clip),
    Vocabulary(
        "T5",
        {"vocab/t5-cc_all.32000.100extra.model": "spiece.model"},
        _t5,
        maker=_sentencepiece,
        renamed=(2, 3),
    ),
    Vocabulary(
        "Whisper",
        {"vocab/whisper_multilingual.tiktoken.gz": "multilingual.tiktoken.gz"},
        _whisper,
        maker=_tiktoken,
    ),
)
