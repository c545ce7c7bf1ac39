"""What holds in every test: an array never grows axes by accident, and XLA compiles without its costly optimizations.

More than half of the suite's time went into LLVM's optimizations of programs that run once. A variable of the
environment turns them off, so that processes started by a test have it too; JAX_DISABLE_MOST_OPTIMIZATIONS=0 in the
environment of pytest tests what training compiles, in half as much time again.
"""

import os

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
