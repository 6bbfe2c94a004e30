"""Executors that run generated CUDA: `emulated`, on any computer, and `cupy`, on a GPU.

Both make the same kernels and the same memory plan of a graph (`generating`), and the same program (`program`); they
differ in a launcher (`launching`).
"""
