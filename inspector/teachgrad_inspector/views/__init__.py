"""View models: what each screen has to say at a moment, as plain data.

A view model is a function of a recording, a moment and options, and of nothing else; it knows no widths and no colours.
The renderers draw it, the JSON twin prints it (`teachgrad_inspector.views.plain`), and both say the same.
"""
