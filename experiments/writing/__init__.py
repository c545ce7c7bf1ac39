"""What does a small encoder-decoder reach that translates or summarises, from random weights and its own text?"""
