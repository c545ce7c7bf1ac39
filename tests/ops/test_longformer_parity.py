"""Our attention against transformers' LongformerSelfAttention with the same weights."""

import jax
import numpy as np
import pytest

from ops.global_tokens import find_global_tokens
from ops.longformer import longformer_attention

pytestmark = pytest.mark.parity


@pytest.mark.parametrize(("share_global", "padding"), [(0.0, 0), (0.1, 0), (0.3, 11)])
def test_the_output_is_that_of_transformers(share_global, padding):
    torch = pytest.importorskip("torch")
    longformer = pytest.importorskip("transformers.models.longformer.modeling_longformer")
    from transformers import LongformerConfig

    B, S, H, D, W = 2, 48, 3, 24, 4
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    config = LongformerConfig(
        hidden_size=D, num_attention_heads=H, attention_window=[2 * W], num_hidden_layers=1, intermediate_size=D
    )
    theirs = longformer.LongformerSelfAttention(config, layer_id=0).eval()
    torch.nn.init.normal_(theirs.query.weight, std=0.5)  # scores spread out, so that a wrong mask shows
    torch.nn.init.normal_(theirs.query_global.weight, std=0.5)

    x = rng.normal(size=(B, S, D)).astype(np.float32)
    real = np.arange(S)[None] < np.array([[S], [S - padding]])
    is_global = (rng.random((B, S)) < share_global) & real
    signed = torch.tensor(np.where(is_global, 10000.0, np.where(real, 0.0, -10000.0)))
    with torch.no_grad():
        want = theirs(
            torch.tensor(x),
            attention_mask=signed,
            is_index_masked=signed < 0,
            is_index_global_attn=signed > 0,
            is_global_attn=bool(is_global.any()),
        )[0].numpy()

    def project(name, rows):
        layer = getattr(theirs, name)
        return layer(torch.tensor(np.asarray(rows))).detach().numpy().reshape(*rows.shape[:2], H, D // H)

    tokens = jax.jit(find_global_tokens, static_argnums=1)(is_global, 20)
    local = tuple(project(name, x) for name in ("query", "key", "value"))
    x_global = np.take_along_axis(x, np.asarray(tokens.index)[..., None], 1)
    wide = project("query_global", x_global), project("key_global", x), project("value_global", x)
    groups = real.astype(np.int32)
    got = jax.jit(longformer_attention, static_argnames="window")(local, wide, tokens, window=W, groups=groups)
    got = np.asarray(got).reshape(B, S, D)

    error = np.abs(got - want)[real].max()
    print("error", error, "of values about", np.abs(want).max())
    assert error < 1e-5  # measured 3e-7
    assert not got[~real].any()
