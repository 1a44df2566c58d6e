"""``%%llm_tune`` and ``lm.tune``: rows in, a live picture of what they teach, a run out."""
