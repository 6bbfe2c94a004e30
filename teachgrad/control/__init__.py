"""Loops and branches that both modes can run, and that a static graph has as vertices: `scan`, `cond`, `while_loop`."""

from .loops import cond, scan, while_loop

__all__ = ["cond", "scan", "while_loop"]
