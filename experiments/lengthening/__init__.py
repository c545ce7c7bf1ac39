"""Does a RoBERTa made into a Longformer read long texts as it read short ones? Before and after more training."""
