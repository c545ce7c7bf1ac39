"""A published model read and written, beside transformers: time and memory."""
