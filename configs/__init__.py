"""Recipes: ml_collections files, each a short list of changes to `defaults.py`."""
