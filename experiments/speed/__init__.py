"""Training steps timed beside PyTorch with transformers, and how soon the quickstart trains."""
