"""Loops and branches that both modes can run, and that a static graph has as vertices: `scan`, `cond`, `while_loop`.

And `checkpoint`, which trades time for memory.
"""

from .checkpoint import checkpoint
from .loops import cond, scan, while_loop

__all__ = ["checkpoint", "cond", "scan", "while_loop"]
