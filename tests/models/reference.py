"""transformers' nets of random scaled-up weights, and the same numbers in ours. Imported by parity tests only."""

import re

import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

# Theirs to ours, inside one encoder; `{}` is the layer.
NAMES = [
    (r"embeddings\.word_embeddings\.", "embeddings.word."),
    (r"embeddings\.position_embeddings\.", "embeddings.position."),
    (r"embeddings\.token_type_embeddings\.", "embeddings.token_type."),
    (r"embeddings\.LayerNorm\.", "embeddings.norm."),
    (r"encoder\.layer\.(\d+)\.attention\.self\.", r"layers.\1.attention."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"layers.\1.attention.output."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.", r"layers.\1.attention_norm."),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.", r"layers.\1.mlp.up."),
    (r"encoder\.layer\.(\d+)\.output\.dense\.", r"layers.\1.mlp.down."),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm\.", r"layers.\1.mlp_norm."),
    (r"^(roberta|bert|longformer)\.", "encoder."),
    (r"^lm_head\.dense\.", "head.dense."),
    (r"^lm_head\.layer_norm\.", "head.norm."),
    (r"^lm_head\.bias$", "head.bias"),
    (r"^classifier\.dense\.", "head.pool."),
    (r"^classifier\.out_proj\.", "head.output."),
]


def scale_up(theirs, seed=0, deviation=0.2):
    """Draw every weight again, wide enough that hidden states and logits spread well over 1; dropout off."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * deviation)
            if "norm" in name.lower() and name.endswith("weight"):
                weight.add_(1.0)
    return theirs.eval()


def our_name(name):
    for pattern, ours in NAMES:
        name = re.sub(pattern, ours, name)
    if name.endswith("weight"):
        tail = "embedding" if re.search(r"(word|position|token_type)\.weight$", name) else "kernel"
        name = name.removesuffix("weight") + ("scale" if "norm" in name else tail)
    return name


def our_shape(name, array, first_place):
    """Matrices transposed; RoBERTa's first `first_place` rows of positions are never used and dropped."""
    if name.endswith("kernel"):
        return array.T
    return array[first_place:] if name.endswith("position.embedding") else array


def copied(build, theirs, *, first_place=0):
    """`build()` with their weights. Every one of ours must be named, and every one of theirs used."""
    ours = nnx.eval_shape(build)
    tied = {"lm_head.decoder.weight", "lm_head.decoder.bias"}
    given = {our_name(n): w.detach().numpy() for n, w in theirs.named_parameters() if n not in tied}
    given = {n: our_shape(n, w, first_place) for n, w in given.items()}
    params = nnx.to_flat_state(nnx.state(ours, nnx.Param))
    assert {".".join(map(str, path)) for path, _ in params} == set(given)
    filled = []
    for path, leaf in params:
        value = given[".".join(map(str, path))]
        assert leaf.shape == value.shape
        filled.append((path, leaf.replace(jnp.asarray(value))))
    nnx.update(ours, nnx.from_flat_state(filled))
    return ours


def their_gradients(theirs, loss, *, first_place=0):
    """{our path: gradient} of the torch scalar `loss`; a weight that the loss does not reach has zeros."""
    loss.backward()
    grads = {}
    for name, weight in theirs.named_parameters():
        grad = np.zeros(weight.shape, np.float32) if weight.grad is None else weight.grad.numpy()
        grads[our_name(name)] = our_shape(our_name(name), grad, first_place)
    return grads


def relative_error(ours, theirs):
    """Largest difference over the spread (standard deviation) of the reference."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return np.abs(ours - theirs).max() / max(theirs.std(), 1e-12)


def gradient_error(ours, theirs):
    """Largest difference in any parameter over that parameter's largest gradient.

    A key's bias adds the same to every score of a query, so its gradient is zero but for rounding: it is measured
    against the largest gradient of all.
    """
    assert set(ours) == set(theirs)
    largest = {name: np.abs(grad).max() for name, grad in theirs.items()}
    of_key = {name for name in theirs if name.endswith(("key.bias", "key_global.bias"))}
    scale = {name: max(largest.values()) if name in of_key else largest[name] for name in theirs}
    return max(np.abs(ours[name] - theirs[name]).max() / max(scale[name], 1e-12) for name in theirs)
