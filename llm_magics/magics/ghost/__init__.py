"""Ghost text: what the model would write at the cursor."""
