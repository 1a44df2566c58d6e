"""Every kind of tokenizer file → one kind."""
