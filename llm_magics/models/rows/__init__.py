"""Many prompts: batches, labels, and the journal of finished rows."""
