"""Who did what to whom, learnt by a small net from one treebank."""
