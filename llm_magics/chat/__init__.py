"""Messages → the text that a model reads, and whose words are whose.

A chat template comes with the model and is untrusted: it runs in a process of its own, under limits.
"""
