"""The operations, one family a file, one class an op."""
