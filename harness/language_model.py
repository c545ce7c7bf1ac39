"""What the harness asks of a model: how likely texts are, and how prompts go on.

Written against its version 0.4.13 (`lm_eval.api.model.TemplateLM`), by the rules of its backend for transformers, so
that the same weights get the same scores: a context is cut on its left where both do not fit, the token that ends a
text stands for an empty one, and text goes on up to the first of the strings at which it should stop.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import lm_eval
import numpy as np
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, Int
from lm_eval import utils
from lm_eval.api.model import LM, TemplateLM
from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text
from lm_eval.tasks import TaskManager

from decoding import Decoder, Settings, texts
from errors import InputError
from harness.loaded import Loaded

SHORTEST = 32  # tokens of a padded row; others are this times a power of two, each compiled once
SAMPLING = ("temperature", "top_k", "top_p", "min_p")
RULES = ("min_new_tokens", "repetition_penalty", "no_repeat_ngram_size")
ALONE = {"num_beams": 1, "num_return_sequences": 1}  # one text is followed, up to where it is to stop

Row = tuple[list[int], list[int]]
"""A context and what follows it, as ids; neither is empty."""


class LanguageModel(TemplateLM):
    """A causal language model of this project. `batch_size` rows are scored, or gone on with, at a time."""

    def __init__(self, loaded: Loaded, *, batch_size: int = 16, max_new_tokens: int = 256):
        super().__init__()
        if batch_size < 1:
            raise InputError(f"batch_size={batch_size} must be at least 1")
        self.model, self.tokenizer, self.max_length = loaded.model, loaded.tokenizer, loaded.length
        self.first_is_global = loaded.first_is_global
        self.batch_size, self.max_gen_toks = batch_size, max_new_tokens
        graph, self._parameters = nnx.split(loaded.model)
        of = partial(_scores, first_is_global=loaded.first_is_global)
        self._score = jax.jit(lambda parameters, *row: of(nnx.merge(graph, parameters), *row))
        self._decoders: dict[Settings, Decoder] = {}

    @cached_property
    def _writer(self) -> nnx.Module:
        """Laid out once for all settings.

        Raises:
          InputError: it was trained with a global first token, which no cache keeps.
        """
        if self.first_is_global:
            raise InputError(
                "a Longformer of data.global_tokens=first keeps no global token while it writes: leave out the tasks "
                "that write, or ask a model of data.global_tokens=none"
            )
        return self.model.for_steps()

    @property
    def eot_token_id(self) -> int:
        return self.tokenizer.sep_id

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **how: Any) -> list[int]:
        return self.tokenizer.encode(string).tolist()

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **how: Any
    ) -> list[tuple[float, bool]]:
        """For each the log likelihood of what follows its context, in nats, and whether it is what would be written."""
        rows = [(context, follows) for _, context, follows in requests]
        for _, follows in rows:
            if len(follows) > self.max_length:
                raise InputError(
                    f"a continuation of {len(follows)} tokens is longer than the model's {self.max_length}"
                )
        found: list[tuple[float, bool]] = [(0.0, False)] * len(rows)
        for width, numbers in self._by_width(rows).items():
            for begin in range(0, len(numbers), self.batch_size):
                chosen = numbers[begin : begin + self.batch_size]
                filled = chosen + chosen[-1:] * (self.batch_size - len(chosen))
                sums, greedy = self._score(self._parameters, *self._padded([rows[i] for i in filled], width))
                for number, one, same in zip(chosen, np.asarray(sums), np.asarray(greedy), strict=False):
                    found[number] = (float(one), bool(same))
        return found

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Of whole texts, in rows that follow each other without overlap."""
        windows, owners = [], []
        for owner, request in enumerate(requests):
            (text,) = request.args
            ids = self.tok_encode(text)
            rolling = utils.get_rolling_token_windows(ids, self.eot_token_id, self.max_length, 1)
            for context, follows in map(utils.make_disjoint_window, rolling):
                windows.append((None, context, follows))
                owners.append(owner)
        totals = np.zeros(len(requests))
        for owner, (nats, _) in zip(owners, self._loglikelihood_tokens(windows), strict=True):
            totals[owner] += nats
        return totals.tolist()

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        groups = defaultdict(list)
        for number, request in enumerate(requests):
            _, how = request.args
            groups[repr(sorted(normalize_gen_kwargs(how, self.max_gen_toks).items()))].append(number)
        found = [""] * len(requests)
        for numbers in groups.values():
            how = normalize_gen_kwargs(requests[numbers[0]].args[1], self.max_gen_toks)
            settings, stop = self._settings(how), tuple(how["until"])
            for begin in range(0, len(numbers), self.batch_size):
                chosen = numbers[begin : begin + self.batch_size]
                texts_of = self._written({i: requests[i] for i in chosen}, settings, stop)
                for number, text in zip(chosen, texts_of, strict=False):
                    found[number] = text
        return found

    def _settings(self, how: dict[str, Any]) -> Settings:
        known = {"until", "max_gen_toks", "do_sample", *SAMPLING, *RULES}
        for name, value in how.items():
            if name not in known and (name not in ALONE or value != ALONE[name]):
                raise InputError(f"{name}={value!r} of a task's generation_kwargs is not supported here: leave it out")
        if how["max_gen_toks"] >= self.max_length:
            raise InputError(f"{how['max_gen_toks']} tokens to write leave no room in a row of {self.max_length}")
        chosen = {name: how[name] for name in (*RULES, *(SAMPLING if how["do_sample"] else ())) if name in how}
        ends = {"eos_token_id": self.eot_token_id, "pad_token_id": self.tokenizer.pad_id}
        return Settings(max_new_tokens=how["max_gen_toks"], do_sample=how["do_sample"], **ends, **chosen)

    def _written(self, requests: Mapping[int, Any], settings: Settings, stop: tuple[str, ...]) -> list[str]:
        """Of requests by their number, by which each draws: one that is asked for again gets another text."""
        room = self.max_length - settings.max_new_tokens
        prompts = [(self.tok_encode(request.args[0]) or [self.eot_token_id])[-room:] for request in requests.values()]
        prompts += prompts[-1:] * (self.batch_size - len(prompts))
        numbers = np.resize(np.asarray([*requests], np.int32), len(prompts))
        width = min(room, _width(max(map(len, prompts))))
        ids = np.full((len(prompts), width), self.tokenizer.pad_id, np.int32)
        for number, prompt in enumerate(prompts):
            ids[number, width - len(prompt) :] = prompt
        real = (np.arange(width)[None] >= width - np.asarray([len(p) for p in prompts])[:, None]).astype(np.int32)
        if settings not in self._decoders:
            self._decoders[settings] = Decoder(self._writer, settings)
        decoder = self._decoders[settings]
        key = {"key": jax.random.key(0), "row_ids": numbers} if settings.do_sample else {}
        found = texts(
            decoder, ids, self.tokenizer.decode, stop=[each for each in stop if each], attention_mask=real, **key
        )
        return [postprocess_generated_text(text, list(stop), None) for text in found]

    def _by_width(self, rows: Sequence[Row]) -> dict[int, list[int]]:
        """The numbers of the rows that are padded to each width."""
        groups = defaultdict(list)
        for number, row in enumerate(rows):
            groups[min(_width(sum(map(len, row)) - 1), self.max_length)].append(number)
        return dict(groups)

    def _padded(self, rows: Sequence[Row], width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """input ids, labels, and 1 at the labels that count; all [rows width]."""
        ids, labels = (np.zeros((len(rows), width), np.int32) for _ in range(2))
        counted = np.zeros((len(rows), width), np.float32)
        for number, (context, follows) in enumerate(rows):
            whole = np.asarray([*context, *follows][-(width + 1) :], np.int32)
            ids[number, : len(whole) - 1], labels[number, : len(whole) - 1] = whole[:-1], whole[1:]
            counted[number, len(whole) - 1 - len(follows) : len(whole) - 1] = 1
        return ids, labels, counted


def _width(tokens: int) -> int:
    return max(SHORTEST, 1 << (tokens - 1).bit_length())


def _scores(
    model: nnx.Module,
    ids: Int[Array, "B S"],
    labels: Int[Array, "B S"],
    counted: Float[Array, "B S"],
    *,
    first_is_global: bool,
) -> tuple[Float[Array, "B"], Bool[Array, "B"]]:
    seen = {"global_attention_mask": jnp.zeros_like(ids).at[:, 0].set(1)} if first_is_global else {}
    logits = model(ids, **seen).logits
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)[..., 0]
    return (chosen * counted).sum(1), ((logits.argmax(-1) == labels) | (counted == 0)).all(1)


def known_tasks(names: Sequence[str], include: Path | None = None) -> TaskManager:
    """What knows these tasks; `include` is a directory of tasks, which then are the only ones.

    Raises:
      InputError: there is none of a name.
    """
    manager = TaskManager(include_path=str(include) if include else None, include_defaults=include is None)
    if missing := [name for name in names if name not in manager.all_tasks]:
        raise InputError(f"there is no task {missing[0]!r}; with --include only the tasks of that directory are known")
    return manager


def evaluated(model: LM, names: Sequence[str], manager: TaskManager, **how: Any) -> dict[str, Any]:
    """What the harness finds of any of its models."""
    return lm_eval.simple_evaluate(model=model, tasks=list(names), task_manager=manager, bootstrap_iters=0, **how)


def told(results: dict[str, Any]) -> dict[str, Any]:
    """The part of the harness's results that is numbers, by task."""
    return {task: {k: v for k, v in scores.items() if isinstance(v, float | int)} for task, scores in results.items()}
