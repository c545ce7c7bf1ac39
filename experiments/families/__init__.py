"""Every family of published models beside transformers with PyTorch, on a processor."""
