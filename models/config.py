"""The sizes of each net: frozen values that refuse what cannot be built."""

import dataclasses

import jax.numpy as jnp

from errors import InputError
from ops.backends import backend
from ops.positions import distance_buckets
from ops.window import Window

POSITIONS = ("learned", "sinusoidal", "rotary", "relative")
NORMS = ("post", "pre")
NORM_KINDS = ("layer", "rms")
ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "geglu", "geglu_tanh")
DTYPES = ("float32", "bfloat16")
MAPS = ("query", "key", "value", "output", "query_global", "key_global", "value_global", "up", "gate", "down")
REMATS = ("none", "dots", "full")
LISTED = {
    "positions": POSITIONS,
    "norm": NORMS,
    "norm_kind": NORM_KINDS,
    "activation": ACTIVATIONS,
    "dtype": DTYPES,
    "remat": REMATS,
}


def _refuse_unlisted(key: str, value: str, listed: tuple[str, ...]) -> None:
    if value not in listed:
        raise InputError(f"{key} must be one of {', '.join(listed)}, got {value!r}")


def _refuse_below(key: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{key} must be a whole number of at least {least}, got {value!r}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes of a stack of blocks; the defaults other than sizes are BERT's.

    `max_positions` (tokens) is the length of the learned position table; other positions have no end: sinusoidal,
    rotary (of wavelengths up to 2 pi `rotary_base` tokens), and relative: a bias of each head for each of
    `relative_buckets` of distances, those beyond `relative_distance` tokens being in one.
    `padding_place`: -1 numbers the places of a row from 0, padding included. RoBERTa's is 1: padding stands at place 1
    and real tokens are counted from 2 on, so that two rows of the table serve no text. Without `counted_places` padding
    is counted too, as in BART.
    `mlp_width` is the width between the two (GEGLU: three) feed-forward matrices.
    `norm_kind`: layer | rms. `embedding_norm` norms the embeddings of a pre-norm net, and then not again before the
    first attention (ModernBERT); those of a post-norm net are always normed. `biases`: of maps and norms.
    `scaled_words`: they are multiplied by sqrt(width) before places are added. `scaled_scores`: divided by sqrt(K).
    `embedding_width`: of the tables, which a matrix then widens (ALBERT); 0 is `width`. `key_width`: K of each head; 0
    is `width / heads`. `layer_order`: which distinct layer comes at each of the `depth` turns, such as (0, 0, 0) for
    one that is shared; () takes each once.
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
    counted_places: bool = True
    rotary_base: float = 10_000.0
    relative_buckets: int = 32
    relative_distance: int = 128
    norm: str = "post"
    norm_kind: str = "layer"
    embedding_norm: bool = False
    biases: bool = True
    scaled_words: bool = False
    scaled_scores: bool = True
    embedding_width: int = 0
    key_width: int = 0
    layer_order: tuple[int, ...] = ()
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
        for key in ("token_types", "lora_rank", "embedding_width", "key_width"):
            _refuse_below(key, getattr(self, key), 0)
        for key, listed in LISTED.items():
            _refuse_unlisted(key, getattr(self, key), listed)
        for name in self.lora_maps:
            _refuse_unlisted("each of lora_maps", name, MAPS)
        for key in ("dropout_rate", "attention_dropout_rate"):
            if not 0 <= getattr(self, key) < 1:
                raise InputError(f"{key} must be at least 0 and below 1, got {getattr(self, key)!r}")
        for key in ("norm_epsilon", "rotary_base"):
            if not getattr(self, key) > 0:
                raise InputError(f"{key} must be above 0, got {getattr(self, key)!r}")
        if self.embedding_norm and (self.norm != "pre" or self.layer_order):
            raise InputError("embedding_norm is for pre-norm nets whose layers each come once: set it to False")
        if self.width % self.heads and not self.key_width:
            raise InputError(f"width must be a multiple of heads, got width {self.width} and heads {self.heads}")
        self._refuse_positions()
        self._refuse_order()

    def _refuse_positions(self):
        _refuse_below("padding_place", self.padding_place, -1)
        if self.positions == "learned" and self.longest < 1:
            raise InputError(
                f"max_positions {self.max_positions} leaves no place after padding_place {self.padding_place}"
            )
        if self.positions == "rotary" and self.head_width % 2:
            raise InputError(f"rotary positions turn pairs: width / heads must be even, got {self.head_width}")
        if self.positions == "sinusoidal" and self.table_width % 2:
            raise InputError(f"sinusoidal positions come in pairs: width must be even, got {self.table_width}")
        if self.positions == "relative":
            distance_buckets(self.relative_buckets, self.relative_distance, both_sides=not self.causal)

    def _refuse_order(self):
        if not self.layer_order:
            return
        if len(self.layer_order) != self.depth or set(self.layer_order) != set(range(self.distinct_layers)):
            raise InputError(
                f"layer_order must name a layer for each of {self.depth} turns, those from 0 on without a gap, got "
                f"{self.layer_order!r}"
            )
        if self.scan:
            raise InputError("layers with a layer_order are not stacked: set scan=False")

    def _refuse_unlike_turns(self, name: str) -> None:
        """A layer that comes at several turns was made once, with one window."""
        values = getattr(self, name)
        for turn, layer in enumerate(self.layer_order):
            if values[turn] != values[layer]:
                raise InputError(
                    f"layer_order takes layer {layer} at turn {turn}: {name}[{turn}] must be that layer's "
                    f"{name}[{layer}]={values[layer]!r}, got {values[turn]!r}"
                )

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
        """K."""
        return self.key_width or self.width // self.heads

    @property
    def table_width(self) -> int:
        """E, of the tables of words, places and types."""
        return self.embedding_width or self.width

    @property
    def distinct_layers(self) -> int:
        return max(self.layer_order) + 1 if self.layer_order else self.depth

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
            self._refuse_unlike_turns(name)
        backend(self.implementation)
        _refuse_below("max_global_tokens", self.max_global_tokens, 1)
        if self.positions == "relative":
            raise InputError("a Longformer has no relative positions: choose learned, sinusoidal or rotary")

    def window(self, layer: int) -> Window:
        """What the heads of a layer see nearby; the bottom layer is 0."""
        return Window(self.windows[layer], self.dilations[layer], self.causal)

    def _refuse_heads(self, key: str, value: int | tuple[int, ...]) -> None:
        if isinstance(value, tuple) and len(value) != self.heads:
            raise InputError(f"{key} must be one number or a tuple of {self.heads}, one per head, got {value!r}")
        for number in value if isinstance(value, tuple) else (value,):
            _refuse_below(key, number, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlternatingConfig(TransformerConfig):
    """Sizes of an encoder of whose layers some see everything and some their neighbours.

    `windows` holds for each layer, bottom layer first, how many tokens it sees to each side; 0: all of them. The layers
    with a window turn by `window_rotary_base`, the others by `rotary_base`.

    Source: Warner et al. 2024, section 2.1.2 (alternating attention).
    """

    windows: tuple[int, ...]
    window_rotary_base: float = 10_000.0
    implementation: str = "auto"

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.windows, tuple) or len(self.windows) not in (1, self.depth):
            raise InputError(f"windows must be a tuple of {self.depth}, one per layer, or of one, got {self.windows!r}")
        for at, value in enumerate(self.windows):
            _refuse_below(f"windows[{at}]", value, 0)
        object.__setattr__(self, "windows", self.windows * (self.depth // len(self.windows)))
        self._refuse_unlike_turns("windows")
        if not self.window_rotary_base > 0:
            raise InputError(f"window_rotary_base must be above 0, got {self.window_rotary_base!r}")
        if self.positions == "relative":
            raise InputError("layers with a window have no relative positions")
        backend(self.implementation)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig:
    """Sizes of a net that reads one text and writes another; the two halves share their table of words."""

    encoder: TransformerConfig
    decoder: TransformerConfig

    def __post_init__(self):
        if isinstance(self.encoder, AlternatingConfig):
            raise InputError("an alternating net has no decoder: choose transformer or longformer, or decoder_depth=0")
        if self.decoder.layer_order or self.decoder.token_types or not self.decoder.causal:
            raise InputError("a decoder is causal, with distinct layers and no token types")
        if (self.encoder.vocab_size, self.encoder.width) != (self.decoder.vocab_size, self.decoder.width):
            raise InputError("both halves must have the same vocab_size and width")

    def check_length(self, length: int, *, what: str = "a sequence") -> None:
        """Raises InputError if a learned table of the encoder has no places for so many tokens."""
        self.encoder.check_length(length, what=what)
