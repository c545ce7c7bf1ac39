"""How well small encoder-decoders translate and summarise, from random weights and the texts at hand alone."""
