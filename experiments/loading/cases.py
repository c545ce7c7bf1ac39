"""What `python -m experiments.loading` measures: files, peers, and what is asked of ours."""

OURS, MAPPED, READ = "ours", "transformers", "transformers, not mapped"
PEERS = (OURS, MAPPED, READ)
PARITY, PEAK = 1.0, 1.3  # at least, theirs over ours; at most, in bytes of the float32 weights

# Of each directory: how its weights lie there. All but the last are loaded, and a model is saved into one file.
FORMS = ("one file", "shards", "float16", "pickle")
SAVE = "save"
SHARD_BYTES = 100_000_000
SIZES = {  # RoBERTa-base
    "vocab_size": 50_265,
    "width": 768,
    "depth": 12,
    "heads": 12,
    "mlp_width": 3072,
    "max_positions": 514,
    "token_types": 1,
    "padding_place": 1,
    "norm_epsilon": 1e-5,
}
SMALL = SIZES | {"vocab_size": 1000, "width": 96, "depth": 2, "mlp_width": 384}  # does everything work?
