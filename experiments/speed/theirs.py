"""The same step with PyTorch and transformers, for worker.py."""

import torch
import transformers

from experiments.machine import cores
from experiments.speed.cases import DEPTH, HEADS, MLP_WIDTH, WIDTH, WINDOW, Case, inputs, loss_weights


def build(case: Case, peer: str) -> torch.nn.Module:
    """`peer` is "bert eager", "bert sdpa" or "longformer", with " compiled" after it for torch.compile."""
    kind, *options = peer.split()
    shared = {
        "vocab_size": case.vocab_size,
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": HEADS,
        "intermediate_size": MLP_WIDTH,
        "max_position_embeddings": case.max_positions,
        "type_vocab_size": case.token_types,
        "hidden_dropout_prob": case.dropout,
        "attention_probs_dropout_prob": case.dropout,
        "layer_norm_eps": 1e-12,
    }
    torch.manual_seed(0)
    if kind == "longformer":
        config = transformers.LongformerConfig(**shared, attention_window=[2 * WINDOW] * DEPTH, pad_token_id=1)
        model = transformers.LongformerModel(config, add_pooling_layer=False)
    else:
        config = transformers.BertConfig(**shared, attn_implementation=options[0])
        model = transformers.BertModel(config, add_pooling_layer=False)
    return torch.compile(model.train()) if "compiled" in options else model.train()


class Theirs:
    """Built once; each call of `step` is a forward and a backward pass with the gradients of all parameters."""

    def __init__(self, case: Case, peer: str):
        torch.set_num_threads(cores())
        self._model = build(case, peer)
        taken = (
            ("input_ids", "attention_mask", "global_attention_mask")
            if peer.startswith("longformer")
            else (
                "input_ids",
                "attention_mask",
            )
        )
        self._batch = {name: torch.from_numpy(array).long() for name, array in inputs(case).items() if name in taken}
        self._weights = torch.from_numpy(loss_weights(case))
        self._factors = torch.ones(2048, WIDTH), torch.ones(WIDTH, MLP_WIDTH)

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self._model.parameters())

    def step(self) -> torch.Tensor:
        self._model.zero_grad(set_to_none=True)
        output = self._model(**self._batch).last_hidden_state
        (output * self._weights).sum().backward()
        return output

    def finite(self) -> bool:
        output = self.step()
        gradients = [parameter.grad for parameter in self._model.parameters()]
        return all(array is not None and bool(torch.isfinite(array).all()) for array in [output, *gradients])

    def matmul(self) -> None:
        with torch.no_grad():
            torch.matmul(*self._factors)
