"""The lm-evaluation-harness of EleutherAI on models of this project: `python -m harness`."""
