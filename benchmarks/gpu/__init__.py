"""Every kernel on a real GPU: is it right, and how fast is it beside CuPy and PyTorch? `python -m benchmarks.gpu`."""
