"""What the files of a model hold."""
