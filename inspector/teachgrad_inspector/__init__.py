"""The inspector of teachgrad: see any recorded run, moment by moment, in the terminal or as text.

Three layers: view models (`views`, functions of a recording and a moment), renderers (`render`, from a view model to
lines of text) and the terminal application (`app`). The first two need no terminal and no Textual.
"""
