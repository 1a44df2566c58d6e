"""KV caches and recurrent states: buffers of sequences, rows of a batch, and the pool of caches."""
