"""Guess tokens, so that one call of the model checks several."""
