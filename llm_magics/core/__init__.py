"""Pure values and functions: standard library and numpy only."""
