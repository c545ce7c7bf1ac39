"""Whether a checkpoint is ever lost, or loaded wrong, when a run is killed or files are damaged."""
