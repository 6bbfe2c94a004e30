"""A running training that can be watched and held: what `Recorder(..., live=...)` opens.

The recording grows in its file, and viewers read it there. A socket beside it carries only commands and states, each a
line of JSON (`lines`). It is a Unix socket in a folder of its owner, or a port of the loopback device with a token
(`endpoint`). One thread answers viewers (`server`); the training waits, where somebody wants it to, between two events
(`gate`). If all viewers go away, however they end, the training goes on.
"""
