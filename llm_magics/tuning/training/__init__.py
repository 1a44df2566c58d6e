"""Training in torch: a forward of our own, its loss, its steps."""
