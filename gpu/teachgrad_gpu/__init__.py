"""The GPU side of teachgrad.

Here will live the CuPy executor, one CUDA C file (`<op>.cu`) for each op that needs a kernel of its own, and
the emulator that runs those same files on a CPU, thread by thread. The package imports `teachgrad`; `teachgrad`
never imports it, and finds its executors through the entry-point group `teachgrad.executors`.
"""
