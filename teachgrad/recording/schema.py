"""What a recording is: an SQLite file, its tables, and the limits that a reader holds a file to.

A recording is the history of a run in rows. Rows are numbered within a **training step** (`t0`, `t1`, ...),
and each stands in one of three **phases**: `fwd` (values are computed), `bwd` (gradients flow) and `upd`
(parameters change).

========  =============================================================================================
table     one row for
========  =============================================================================================
about     a fact about the file: level, command, created, teachgrad, python, numpy, finished; `arrays` is
          "beside" while elements of arrays are in the file beside
event     a leaf, an op, the start of a backward pass, gradient along one edge, its sum with an earlier
          gradient, or an update; see `Row`
array     an array: dtype, shape, and by level its statistics or its bytes (little-endian, row-major); of all
          but tiny ones, while the recording grows, where in the file beside (`run.tgr-arrays`) the bytes begin
site      a place in the user's source
source    the text of a source file, as it was when it ran
rewrite   a rewrite of a static graph
program   a static function that runs for the first time in the recording; how it was compiled, as JSON
          (`teachgrad.recording.accounts`)
memory    a static program took memory for a value (`bytes` is set) or needs it no longer (`bytes` is null)
kernel    a statement of a static program that ran, and how long it took
========  =============================================================================================

Four **levels** say how much is known of an array: `meta` its dtype and shape, `stats` its statistics too, `values` its
bytes (from which a reader computes the statistics). At level `replay` there are the bytes of what nothing else tells,
and else the CRC-32 of all bytes, with which a reader checks what it computes again (`teachgrad.recording.replaying`).
A viewer of a live run may change the level; the recording is then said to be of the highest that it has had. Bytes are
stored once: a fingerprint finds candidates among the arrays stored before, and equality of the bytes decides. There is
no pickle anywhere, and no code. What is in the file beside, and why, is said in `teachgrad.recording.beside`; how it
becomes part of the recording at the end, in `teachgrad.recording.folding`.

What has a `step` and a `row` but is no event happened just before the event of that number, or at the end.

The file is written in WAL mode and committed several times a second, so it can be read while it grows, and
what was committed survives the death of the process. `PRAGMA application_id` is `APPLICATION_ID`, `PRAGMA
user_version` the version of the schema. Any change to the tables raises `VERSION`; a reader refuses what is
newer than itself.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

APPLICATION_ID = 0x74675231  # "tgR1"
VERSION = 3

Level = Literal["meta", "stats", "replay", "values"]
LEVELS: tuple[Level, ...] = get_args(Level)
WITH_ELEMENTS: tuple[Level, ...] = ("replay", "values")
"""The levels at which elements are kept."""

Phase = Literal["fwd", "bwd", "upd"]
PHASES: tuple[Phase, ...] = get_args(Phase)

Kind = Literal["leaf", "op", "seed", "edge", "update", "deposit"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Phases and kinds are stored as their positions in these tuples."""

REQUIRES_GRAD, PARAMETER = 1, 2
"""The bits of `event.flags`."""

TABLES = {
    "about": "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "event": (
        "CREATE TABLE event (step INTEGER, row INTEGER, phase INTEGER, kind INTEGER, vertex INTEGER, source INTEGER, "
        "edge INTEGER, op TEXT, name TEXT, scope TEXT, inputs TEXT, attrs TEXT, site INTEGER, flags INTEGER, "
        "value INTEGER, delta INTEGER, incoming INTEGER, PRIMARY KEY (step, row)) WITHOUT ROWID"
    ),
    "leaf_value": "CREATE INDEX leaf_value ON event (vertex) WHERE kind IN (0, 4)",
    "array": (
        "CREATE TABLE array (id INTEGER PRIMARY KEY, dtype TEXT NOT NULL, shape TEXT NOT NULL, minimum REAL, "
        "maximum REAL, mean REAL, std REAL, zeros INTEGER, nans INTEGER, infs INTEGER, counted INTEGER, "
        "fingerprint INTEGER, data BLOB, place INTEGER)"
    ),
    "site": (
        "CREATE TABLE site (id INTEGER PRIMARY KEY, file TEXT NOT NULL, line INTEGER NOT NULL, function TEXT NOT NULL, "
        "first INTEGER NOT NULL, last INTEGER NOT NULL, text TEXT NOT NULL)"
    ),
    "source": "CREATE TABLE source (file TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID",
    "rewrite": (
        "CREATE TABLE rewrite (id INTEGER PRIMARY KEY, step INTEGER, row INTEGER, pass TEXT NOT NULL, "
        "rule TEXT NOT NULL, before INTEGER, after INTEGER, site INTEGER)"
    ),
    "program": (
        "CREATE TABLE program (id INTEGER PRIMARY KEY, step INTEGER, row INTEGER, account TEXT NOT NULL)"
    ),
    "memory": (
        "CREATE TABLE memory (id INTEGER PRIMARY KEY, step INTEGER, row INTEGER, vertex INTEGER NOT NULL, "
        "bytes INTEGER, place INTEGER)"
    ),
    "memory_step": "CREATE INDEX memory_step ON memory (step)",
    "kernel": (
        "CREATE TABLE kernel (id INTEGER PRIMARY KEY, step INTEGER, row INTEGER, name TEXT NOT NULL, "
        "vertices TEXT NOT NULL, seconds REAL NOT NULL)"
    ),
    "kernel_step": "CREATE INDEX kernel_step ON kernel (step)",
}
"""The schema, statement by statement. A reader opens a file only if its schema is word for word this one, so
a file cannot bring views, triggers or indices of its own."""

_NAMES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"
DTYPES: dict[str, np.dtype] = {name: np.dtype(name).newbyteorder("<") for name in _NAMES.split()}
"""The element types that a recording may hold."""
DTYPE_NAMES: dict[np.dtype, str] = {
    order: name for name, dtype in DTYPES.items() for order in (dtype, dtype.newbyteorder(">"))
}
"""The other way round, for either byte order. (`dtype.name` is computed anew each time, which takes microseconds.)"""

MAX_NDIM = 64
MAX_ELEMENTS = 1 << 33
MAX_BYTES = 1 << 30
"""SQLite's own limit for one value."""
MAX_TEXT = 4096
"""Characters of a name, a scope or a line of source."""
MAX_SOURCE = 1 << 22
MAX_ATTRS = 1 << 16
MAX_INPUTS = 1 << 16
