"""The subcommands of ``%llm``: one table, with a parser and an action for each."""
