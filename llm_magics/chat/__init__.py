"""Messages → the text that a model reads, and which words came from whom.

A chat template comes with the model and is untrusted: it runs in a process of its own, under limits.
"""
