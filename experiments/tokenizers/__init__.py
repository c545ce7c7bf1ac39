"""Whether our readers of vocabulary files give the ids and the character offsets that transformers gives."""
