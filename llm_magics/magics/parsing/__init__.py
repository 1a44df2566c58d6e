"""Parse the cells and lines of the magics: options, subcommands, variables in braces, completion."""
