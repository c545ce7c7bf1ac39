"""How fast texts are written on a processor, beside transformers with PyTorch; and what memory a long one takes."""
