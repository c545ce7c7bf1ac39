"""What holds in every test: an array never grows axes by accident, and XLA compiles without its costly optimizations.

Most programs of a test run once, and compiling them took more than half of the time. A variable of the environment
turns the optimizations off, so that processes started by a test have it too (tests/training/test_step.py: 72
core-seconds, then 50); JAX_DISABLE_MOST_OPTIMIZATIONS=0 in the environment of pytest tests what training compiles.
"""

import os

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
