"""The graph: what a decoder is, and how it is built from weights."""
