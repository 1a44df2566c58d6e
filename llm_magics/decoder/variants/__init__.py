"""Edits of a built decoder: other number formats for its cache or its computation."""
