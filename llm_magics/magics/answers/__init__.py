"""What becomes of an answer: its format, its reasoning, the log, what is kept, jobs in the background."""
