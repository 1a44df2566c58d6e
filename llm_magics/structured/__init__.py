"""Answers of a given form: JSON Schema, Python types, regular expressions, grammars."""
