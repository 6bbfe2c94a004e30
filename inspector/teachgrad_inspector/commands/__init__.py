"""The subcommands of `teachgrad` that belong to the inspector."""
