"""Reading the inside of a model: what it expects, layer by layer, head by head, token by token."""
