"""Where a model comes from, and where it is kept."""
