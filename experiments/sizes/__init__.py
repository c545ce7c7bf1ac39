"""Which model for which length: what a training step of each named size costs, from the real models."""
