"""The sizes of each net: frozen values that refuse what cannot be built."""

import dataclasses

import jax.numpy as jnp

from errors import InputError
from ops.backends import backend
from ops.window import Window

POSITIONS = ("learned", "sinusoidal", "rotary")
NORMS = ("post", "pre")
ACTIVATIONS = ("gelu", "geglu")
DTYPES = ("float32", "bfloat16")
MAPS = ("query", "key", "value", "output", "query_global", "key_global", "value_global", "up", "gate", "down")
REMATS = ("none", "dots", "full")


def _refuse_unlisted(key: str, value: str, listed: tuple[str, ...]) -> None:
    if value not in listed:
        raise InputError(f"{key} must be one of {', '.join(listed)}, got {value!r}")


def _refuse_below(key: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{key} must be a whole number of at least {least}, got {value!r}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes of a stack of blocks; the defaults other than sizes are BERT's.

    `max_positions` (tokens) is the length of the learned position table; sinusoidal and rotary positions have no end.
    `padding_place`: -1 numbers the places of a row from 0, padding included. RoBERTa's is 1: padding stands at place 1
    and real tokens are counted from 2 on, so that two rows of the table serve no text.
    `mlp_width` is the width between the two (GEGLU: three) feed-forward matrices.
    `dtype` is what the matrices multiply in; parameters, softmax, norms' statistics and logits are float32 always.
    `causal` hides what comes after a token, also from global tokens, as in a language model that writes.
    `remat`: what of each layer the backward pass computes again instead of finding it kept: none | dots (all but the
    products with parameters) | full. `scan` compiles layers of the same making once, as a loop.
    `lora_rank` above 0 adds a product of two matrices of that rank, times `lora_alpha / lora_rank`, to the maps that
    `lora_maps` names (models/lora.py).

    Source: Devlin et al. 2019, section 3; Vaswani et al. 2017, section 3.
    """

    vocab_size: int
    width: int
    depth: int
    heads: int
    mlp_width: int
    max_positions: int
    positions: str = "learned"
    padding_place: int = -1
    norm: str = "post"
    activation: str = "gelu"
    token_types: int = 0
    dropout_rate: float = 0.1
    attention_dropout_rate: float = 0.1
    norm_epsilon: float = 1e-5
    dtype: str = "float32"
    causal: bool = False
    remat: str = "none"
    scan: bool = False
    lora_rank: int = 0
    lora_alpha: float = 16.0
    lora_maps: tuple[str, ...] = ("query", "value", "query_global", "value_global")

    def __post_init__(self):
        for key in ("vocab_size", "width", "depth", "heads", "mlp_width", "max_positions"):
            _refuse_below(key, getattr(self, key), 1)
        _refuse_below("token_types", self.token_types, 0)
        _refuse_below("padding_place", self.padding_place, -1)
        if self.positions == "learned" and self.longest < 1:
            raise InputError(
                f"max_positions {self.max_positions} leaves no place after padding_place {self.padding_place}"
            )
        _refuse_unlisted("positions", self.positions, POSITIONS)
        _refuse_unlisted("norm", self.norm, NORMS)
        _refuse_unlisted("activation", self.activation, ACTIVATIONS)
        _refuse_unlisted("dtype", self.dtype, DTYPES)
        _refuse_unlisted("remat", self.remat, REMATS)
        _refuse_below("lora_rank", self.lora_rank, 0)
        for name in self.lora_maps:
            _refuse_unlisted("each of lora_maps", name, MAPS)
        for key in ("dropout_rate", "attention_dropout_rate"):
            if not 0 <= getattr(self, key) < 1:
                raise InputError(f"{key} must be at least 0 and below 1, got {getattr(self, key)!r}")
        if not self.norm_epsilon > 0:
            raise InputError(f"norm_epsilon must be above 0, got {self.norm_epsilon!r}")
        if self.width % self.heads:
            raise InputError(f"width must be a multiple of heads, got width {self.width} and heads {self.heads}")
        if self.positions == "rotary" and self.head_width % 2:
            raise InputError(f"rotary positions turn pairs: width / heads must be even, got {self.head_width}")
        if self.positions == "sinusoidal" and self.width % 2:
            raise InputError(f"sinusoidal positions come in pairs: width must be even, got {self.width}")

    @property
    def longest(self) -> int:
        """Tokens in the longest row for which a learned table has places."""
        return self.max_positions - self.padding_place - 1

    def check_length(self, length: int, *, what: str = "a sequence") -> None:
        """Raises InputError if a learned table has no places for so many tokens."""
        if self.positions == "learned" and length > self.longest:
            raise InputError(
                f"{what} of {length} tokens is longer than the {self.longest} places of max_positions "
                f"{self.max_positions}: cut the sequence, or raise max_positions"
            )

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def compute_dtype(self) -> jnp.dtype:
        return jnp.dtype(self.dtype)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongformerConfig(TransformerConfig):
    """Sizes of an encoder with sliding-window and global attention.

    `windows` holds one width per layer, bottom layer first, or one for all: tokens to each side, so that a token sees
    `2 * window + 1` with itself. (The paper and transformers' `attention_window` count both sides: their 512 is 256
    here.) In place of a width stands a tuple of one per head where heads differ. `dilations` likewise: keys are seen
    that many tokens apart.
    `max_global_tokens` is the most global tokens that one row may hold; arrays are sized by it.
    `implementation` is the program of the windows: "auto" or one of `ops.backends.BACKENDS`.

    Source: Beltagy et al. 2020, section 3.
    """

    windows: tuple[int | tuple[int, ...], ...]
    dilations: tuple[int | tuple[int, ...], ...] = (1,)
    max_global_tokens: int = 1
    implementation: str = "auto"

    def __post_init__(self):
        super().__post_init__()
        for name in ("windows", "dilations"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or len(values) not in (1, self.depth):
                raise InputError(f"{name} must be a tuple of {self.depth}, one per layer, or of one, got {values!r}")
            for at, value in enumerate(values):
                self._refuse_heads(f"{name}[{at}]", value)
            object.__setattr__(self, name, values * (self.depth // len(values)))
        backend(self.implementation)
        _refuse_below("max_global_tokens", self.max_global_tokens, 1)

    def window(self, layer: int) -> Window:
        """What the heads of a layer see nearby; the bottom layer is 0."""
        return Window(self.windows[layer], self.dilations[layer], self.causal)

    def _refuse_heads(self, key: str, value: int | tuple[int, ...]) -> None:
        if isinstance(value, tuple) and len(value) != self.heads:
            raise InputError(f"{key} must be one number or a tuple of {self.heads}, one per head, got {value!r}")
        for number in value if isinstance(value, tuple) else (value,):
            _refuse_below(key, number, 1)
