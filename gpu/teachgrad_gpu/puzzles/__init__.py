"""Puzzles in CUDA C, from one thread to a tiled matrix product. They are checked on the emulator; no GPU is needed."""

from .checking import Verdict, check
from .picture import Picture, picture
from .puzzle import Case, Hint, Puzzle
from .tasks import PUZZLES

__all__ = ["PUZZLES", "Case", "Hint", "Picture", "Puzzle", "Verdict", "check", "picture"]
