"""The inspector line by line: commands in, sentences out, for screen readers, pipes and tests."""
