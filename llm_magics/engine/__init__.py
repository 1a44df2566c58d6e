"""Token ids in, logits out, and the one loop that turns them into text."""
