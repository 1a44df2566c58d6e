"""From a name to a model that answers: fetch, store, read, convert, load."""
