"""The twelve acceptance checks of the inspector's design, on the real program in a real terminal.

A check waits for what is to be seen and never for time, and each can fail. Checks 1, 2, 3, 6, 9 and the first half of 8
stand in `tests/inspector/test_terminal.py`; here are

- 3, numbers: those of the screen are those of `--print json` (`test_questions.py`)
- 4, where nan is born, of both cases of PyTorch issue 160016 (`test_questions.py`)
- 5, size: 100,000 ops and 1,000 training steps (`test_size.py`; exact figures: `benchmarks/costs/inspector.py`)
- 7, marks that need no colour (`test_marks.py`)
- 8, hostile and broken files, hostile terminals (`test_hostile.py`)
- 10, passes: what is compiled is what is shown (`test_static.py`)
- 12, what-if, and the screen is what is printed (`test_questions.py`)

Two differ from the design: there is no `teachgrad compile`, so check 10 asks the compiled function itself; and a file
is one SQLite database, so that what is cut off is found by its pages rather than by frames.
"""
