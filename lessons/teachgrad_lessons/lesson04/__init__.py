"""Lesson 04, the tape: its exercises, the hints they answer with, and the helpers that its notebook imports."""

from pathlib import Path

from teachgrad_lessons.check import Lesson, hints_from
from teachgrad_lessons.lesson04 import arrays, orders, scalars
from teachgrad_lessons.lesson04.ghosts import GHOSTS, haunted_errors, suspects
from teachgrad_lessons.lesson04.graphs import slope_by_nudging
from teachgrad_lessons.lesson04.orders import PARSONS_LINES, assemble
from teachgrad_lessons.lesson04.show import show_tape, table

__all__ = [
    "GHOSTS",
    "PARSONS_LINES",
    "assemble",
    "haunted_errors",
    "open_lesson",
    "show_tape",
    "slope_by_nudging",
    "suspects",
    "table",
]

HINTS = hints_from(Path(__file__).with_name("hints.toml"))

EXERCISES = (
    scalars.NODE,
    scalars.OPS,
    scalars.SUSPECT,
    scalars.PATHS,
    scalars.VISITS,
    scalars.GHOSTS,
    orders.COUNTEREXAMPLE,
    orders.PARSONS,
    orders.TOPOLOGICAL,
    orders.BACKWARD,
    orders.ZERO,
    orders.LOOPS,
    arrays.UNBROADCAST,
    arrays.PULL,
    arrays.MATMUL,
    arrays.COLUMN,
    arrays.RELU,
    arrays.STEP,
    arrays.ACCURACY,
    arrays.CULPRIT,
    *arrays.QUIZ,
)


def open_lesson() -> Lesson:
    return Lesson("Lesson 04, the tape", EXERCISES, HINTS, (*scalars.QUESTIONS, *orders.QUESTIONS, *arrays.QUESTIONS))
