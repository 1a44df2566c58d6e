"""%llm logit_lens and its like: what they ask of a model, how it is shown, and what a view asks on."""
