"""Stepping through what the threads of a CUDA kernel did: the order of steps, where one stands, the application."""
