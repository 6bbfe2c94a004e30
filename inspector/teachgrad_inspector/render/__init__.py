"""Renderers: from a view model, a width, a height and a set of glyphs to lines of text.

They are pure, know nothing of the terminal, and draw the same for the application and for `--print`.
"""
