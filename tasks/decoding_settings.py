"""How a task's texts are written, from the config's decoding section."""

from typing import Any

from data.tokenizer import Tokenizer
from decoding import Settings
from errors import InputError
from tasks.texts import vocab_rows

EARLY = {"no": False, "yes": True, "never": "never"}
SAMPLING = ("temperature", "top_k", "top_p", "min_p")
SHARED = (
    "min_new_tokens",
    "num_beams",
    "num_return_sequences",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "prompt_lookup_num_tokens",
)


def decoding_settings(
    config: Any, tokenizer: Tokenizer, *, longest: int, start: int | None = None, first: int | None = None
) -> Settings:
    """At most `longest` tokens. `start`: what an encoder-decoder writes behind; `first`: the token it must begin with.

    Raises:
      InputError: a key of the section says what cannot be.
    """
    chosen = config.decoding
    if chosen.early_stopping not in EARLY:
        raise InputError(f"decoding.early_stopping={chosen.early_stopping!r} is not one of {', '.join(EARLY)}")
    if chosen.max_new_tokens < 0:
        raise InputError(f"decoding.max_new_tokens={chosen.max_new_tokens} must be at least 0")
    values = {name: chosen[name] for name in SHARED}
    values |= {name: chosen[name] for name in SAMPLING} | {"do_sample": True} if chosen.do_sample else {}
    if chosen.num_beams > 1:
        values |= {"length_penalty": chosen.length_penalty, "early_stopping": EARLY[chosen.early_stopping]}
    spare = tuple(range(tokenizer.vocab_size, vocab_rows(config, tokenizer)))  # rows that are no words
    try:
        return Settings(
            max_new_tokens=min(chosen.max_new_tokens or longest, longest),
            eos_token_id=tokenizer.sep_id,
            pad_token_id=tokenizer.pad_id,
            decoder_start_token_id=start,
            forced_bos_token_id=first,
            suppress_tokens=spare,
            **values,
        )
    except InputError as error:
        raise InputError(f"decoding.{error}") from error
