"""The playground: a conversation with its versions, its settings, and the cells that give what it shows."""
