"""How a text is written: the one value that says it, and refuses what makes no sense."""

import math
from dataclasses import dataclass

from errors import InputError

EARLY = (False, True, "never")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The names and meanings are transformers' own (`GenerationConfig`), so that its published values can be used.

    `max_new_tokens`: at most so many are written, those of `eos_token_id` (one id, several, or () for none) counted;
    before `min_new_tokens` a text does not end. What follows an end is `pad_token_id`.
    `decoder_start_token_id`: what an encoder-decoder writes behind; None: the model goes on with its prompt.

    The likeliest token is taken each time, unless
    - `do_sample`: one is drawn, from logits divided by `temperature`, of the `top_k` likeliest (0: of all), then of the
      fewest that together have a probability of `top_p`, then of those at least `min_p` times as likely as the first.
      What ties with the last one kept is kept too.
    - `num_beams` above 1: beam search for the text with the largest sum of log probabilities divided by its length **
      `length_penalty`. It ends at `num_beams` finished texts if no running one, were it to end now, would be better
      than the worst of them (`early_stopping=False`), at once (True), or if none could become better ("never").
    `num_return_sequences`: of the best beams, or of independent samples.

    Rules for any of them: tokens that stand in the text (in the prompt too, but not what an encoder-decoder read) are
    made less likely by `repetition_penalty` above 1 (Keskar et al. 2019, section 4.1), no run of `no_repeat_ngram_size`
    tokens comes twice (0: may), the first new token is `forced_bos_token_id`, the last possible one
    `forced_eos_token_id`, and `suppress_tokens` never come.

    `prompt_lookup_num_tokens` above 0: so many tokens are looked up in what stands there (`lookup.proposed`), and one
    step of the model takes those that it would have written itself, one after the other. The texts stay the same; a net
    of learned places needs so many more of them.
    """

    max_new_tokens: int
    min_new_tokens: int = 0
    eos_token_id: int | tuple[int, ...] = ()
    pad_token_id: int = 0
    decoder_start_token_id: int | None = None
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    num_return_sequences: int = 1
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    forced_bos_token_id: int | None = None
    forced_eos_token_id: int | None = None
    suppress_tokens: tuple[int, ...] = ()
    prompt_lookup_num_tokens: int = 0

    def __post_init__(self):
        for name in ("max_new_tokens", "num_beams", "num_return_sequences"):
            self._refuse_below(name, 1)
        for name in ("min_new_tokens", "top_k", "no_repeat_ngram_size", "pad_token_id", "prompt_lookup_num_tokens"):
            self._refuse_below(name, 0)
        if self.min_new_tokens > self.max_new_tokens:
            raise InputError(f"min_new_tokens={self.min_new_tokens} is above max_new_tokens={self.max_new_tokens}")
        for name in ("temperature", "repetition_penalty"):
            if not 0 < self._number(name) < math.inf:
                raise InputError(f"{name} must be above 0, got {getattr(self, name)!r}")
        if not 0 < self._number("top_p") <= 1:
            raise InputError(f"top_p must be above 0 and at most 1, got {self.top_p!r}")
        if not 0 <= self._number("min_p") <= 1:
            raise InputError(f"min_p must be from 0 to 1, got {self.min_p!r}")
        if not math.isfinite(self._number("length_penalty")):
            raise InputError(f"length_penalty must be a finite number, got {self.length_penalty!r}")
        self._refuse_ids()
        self._refuse_mixtures()

    @property
    def ends(self) -> tuple[int, ...]:
        return self.eos_token_id if isinstance(self.eos_token_id, tuple) else (self.eos_token_id,)

    def _refuse_below(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")

    def _number(self, name: str) -> float:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{name} must be a number, got {value!r}")
        return value

    def _refuse_ids(self) -> None:
        named = {"eos_token_id": self.ends, "suppress_tokens": self.suppress_tokens}
        for name in ("forced_bos_token_id", "forced_eos_token_id", "decoder_start_token_id"):
            named[name] = () if getattr(self, name) is None else (getattr(self, name),)
        for name, ids in named.items():
            if not isinstance(ids, tuple):
                raise InputError(f"{name} must be a tuple of token ids, got {ids!r}")
            for one in ids:
                if isinstance(one, bool) or not isinstance(one, int) or one < 0:
                    raise InputError(f"{name} must be made of token ids, whole numbers from 0 on, got {one!r}")
        for name in ("forced_bos_token_id", "forced_eos_token_id"):
            if getattr(self, name) in self.suppress_tokens:
                raise InputError(f"{name}={getattr(self, name)} is also in suppress_tokens: leave it out of one")

    def _refuse_mixtures(self) -> None:
        searching = self.num_beams > 1
        if searching and self.do_sample:
            raise InputError("num_beams above 1 searches and do_sample draws: set do_sample=False or num_beams=1")
        if searching and self.prompt_lookup_num_tokens:
            raise InputError("prompt_lookup_num_tokens is of no use to beams: set it to 0, or num_beams=1")
        if not any(self.early_stopping is each or self.early_stopping == each == "never" for each in EARLY):
            raise InputError(f"early_stopping must be False, True or 'never', got {self.early_stopping!r}")
        drawing = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
        beams = {"length_penalty": 1.0, "early_stopping": False}
        for wanted, there, given in (("do_sample", self.do_sample, drawing), ("num_beams above 1", searching, beams)):
            for name, rest in given.items():
                if not there and getattr(self, name) != rest:
                    raise InputError(f"{name}={getattr(self, name)!r} has no effect without {wanted}: leave it out")
        if self.num_return_sequences > self.num_beams and not self.do_sample:
            raise InputError(
                f"num_return_sequences={self.num_return_sequences} is more than num_beams={self.num_beams}: "
                "raise num_beams, or set do_sample"
            )

    def check_vocabulary(self, size: int) -> None:
        """Raises InputError for a token id, or a number of candidates, that a vocabulary of that size does not have."""
        ids = {"pad_token_id": (self.pad_token_id,), "eos_token_id": self.ends, "suppress_tokens": self.suppress_tokens}
        for name in ("forced_bos_token_id", "forced_eos_token_id", "decoder_start_token_id"):
            ids[name] = (getattr(self, name),)
        for name, each in ids.items():
            for one in each:
                if one is not None and one >= size:
                    raise InputError(f"{name}={one} is beyond the vocabulary of {size} tokens")
        if self.top_k > size:
            raise InputError(f"top_k={self.top_k} is more than the vocabulary's {size} tokens")
        never = {*self.suppress_tokens, *(self.ends if self.min_new_tokens else ())}
        if len(never) == size:
            raise InputError(
                f"suppress_tokens{' and eos_token_id' if self.min_new_tokens else ''} leave none of the {size} tokens "
                "to write: leave some out"
            )
