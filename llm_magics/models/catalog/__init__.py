"""What models there are, and what each asks for: the table, cards, licenses, memory, speed, the Hub."""
