"""Generated CUDA: a static graph as kernels that a person can read.

It shares with generated C which ops make one kernel, where each value lies and how a statement is written
(`teachgrad.executors.c`); what differs is who runs the loops. Read on in this order: `fusion` (which ops share a
kernel), `nests` (which threads do what), `loops` (the text of a fused kernel), `rows` and `kept` (of one with sums),
`threads` (kernels with a thread for each element, for ops with a structure of their own: `products`, `windows`,
`moves`, `lines`, `attention`, `drawing`), `catalogued` (large ops by kernels of the catalogue and products: `flash`,
`matrices`, `contractions`, `weights`, `columns`), `building` (the whole source, and the launches of a call).
"""
