"""Sweeps: many runs of one recipe, from a small file; here, under SLURM, or on TPU slices.

A sweep file is Python with a `get_sweep()` that returns a `Sweep`; `python -m sweeps run FILE` runs it.
"""

from sweeps.space import Choice, Integer, LogUniform, Search, Uniform, grid, sample
from sweeps.sweep import Point, Sweep

__all__ = ["Choice", "Integer", "LogUniform", "Point", "Search", "Sweep", "Uniform", "grid", "sample"]
