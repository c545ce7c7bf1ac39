"""The axes of the one device mesh, by the names that every floor knows them by."""

BATCH = ("data", "fsdp")  # share out the examples; `fsdp` the parameters and the optimizer's state too
HEADS = "tensor"  # shares out the heads and the feed-forward width
TOKENS = "sequence"  # shares out the tokens of each row
ALL = (*BATCH, HEADS, TOKENS)
