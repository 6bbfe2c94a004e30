"""The GPU side of teachgrad.

`generating` writes a static graph as CUDA kernels, `executors` run them: on the emulated device, which any computer
has, or on a GPU. `device` is a GPU for tensors. `emulator` runs CUDA C++ on a CPU, thread by thread, and `tracing`
keeps what the threads did. `kernels` is CUDA C that is written to be read; `compiling` and `occupancy` say what it
takes on a GPU, `ladder` how it becomes fast, and `puzzles` are kernels to write. The package imports `teachgrad`;
`teachgrad` never imports it, and finds executors, devices and commands through entry points.
"""
