"""Context from the notebook: cells with their outputs, variables and files, within the model's context."""
