"""The GPU side of teachgrad.

`generating` writes a static graph as CUDA kernels, `executors` run them: on the emulated device, which any computer
has, or on a GPU. `emulator` runs CUDA C++ on a CPU, thread by thread. `kernels` is CUDA C that is written to be read;
`compiling` and `occupancy` say what it takes on a GPU, `ladder` how it becomes fast. The package imports `teachgrad`;
`teachgrad` never imports it, and finds its executors through the entry-point group `teachgrad.executors`.
"""
