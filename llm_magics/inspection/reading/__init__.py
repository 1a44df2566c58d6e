"""What the views of the inside read with.

Taps, many continuations, many distributions, the pieces of a text.
"""
