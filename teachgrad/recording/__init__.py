"""Recording a run into a file, and reading it back.

`Recorder` writes what happens inside a `with` block, `Reader` reads it, a `Moment` is the address of a row.
The file is described in `teachgrad.recording.schema`.
"""

from ..errors import RecordingError
from ..statistics import Statistics
from .accounts import Account
from .moment import Address, Moment, parse
from .programs import Held, Ran, Rewritten
from .reader import UNFINISHED, ArrayInfo, Reader
from .recorder import Recorder
from .schema import LEVELS, PHASES, Kind, Level, Phase
from .step import Row, Site, Step

__all__ = [
    "LEVELS",
    "PHASES",
    "UNFINISHED",
    "Account",
    "Address",
    "ArrayInfo",
    "Held",
    "Kind",
    "Level",
    "Moment",
    "Phase",
    "Ran",
    "Reader",
    "Recorder",
    "RecordingError",
    "Rewritten",
    "Row",
    "Site",
    "Statistics",
    "Step",
    "parse",
]
