"""Does pretraining pay, and does reading past 512 tokens? Novels, film reviews, news articles, sentences."""
