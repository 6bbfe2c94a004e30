"""teachgrad beside hand-written NumPy and other frameworks: the same steps, from the same weights, in one run.

`python -m benchmarks.run` measures and writes `RESULTS.md` and `results.json`; `README.md` says how a figure is made.
"""
