"""Tuning a LoRA on a few rows, to see what it would do."""
