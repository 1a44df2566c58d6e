"""What the views of the inside read with: taps, many continuations, many distributions, the pieces of a
text."""
