"""What the GPU package adds to the `teachgrad` command."""
