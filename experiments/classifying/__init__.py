"""What a small Transformer reaches on short texts, from no other data than theirs."""
