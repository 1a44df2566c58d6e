"""Load, convert and merge models."""
