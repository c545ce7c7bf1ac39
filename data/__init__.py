"""Floor 0: text in, numpy batches out. Imports nothing of ours but `errors`, and never jax or flax."""
