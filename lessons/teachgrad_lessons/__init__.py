"""What the guided lessons share: checks with keyed hints, and the builder of learner and solution notebooks.

A lesson is one file, ``lessons/NN_title.py``, in jupytext's percent format. Its checks are the subpackage
``teachgrad_lessons.lessonNN``, which offers ``open_lesson()``.
"""

from importlib import import_module

from teachgrad_lessons.check import Lesson

__all__ = ["Lesson", "open_lesson"]


def open_lesson(number: str) -> Lesson:
    """A fresh record of lesson ``number`` (two digits, such as ``"04"``): nothing predicted, nothing scored."""
    try:
        module = import_module(f"teachgrad_lessons.lesson{number}")
    except ModuleNotFoundError as error:
        if error.name != f"teachgrad_lessons.lesson{number}":
            raise
        raise ValueError(f"There is no lesson {number!r}. Give two digits, such as '04'.") from None
    lesson: Lesson = module.open_lesson()
    return lesson
