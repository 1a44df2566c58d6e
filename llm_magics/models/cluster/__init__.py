"""Rows on several machines: the loop here, a model in each worker process there."""
