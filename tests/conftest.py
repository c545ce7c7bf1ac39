"""What holds in every test: an array never grows axes by accident."""

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
