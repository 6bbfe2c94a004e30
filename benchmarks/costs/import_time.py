"""Import time of teachgrad, and of the others, over NumPy's own: fresh interpreters, with and without, in pairs."""

from __future__ import annotations

from ..children import ChildFailed, run
from ..machine import versions
from ..results import Rows
from ..timing import Estimate

PAIRS, PAIRS_OF_OTHERS = 21, 5
TIMED = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"


def measure(core: int, limit_s: float) -> Rows:
    """Processor seconds of `import numpy, X` less those of `import numpy`, by X. A first pair fills the
    cache of files, and that of bytecode where a library runs from its sources."""
    rows: Rows = {}
    for module in sorted(versions().keys() - {"numpy"}):
        pairs = PAIRS if module == "teachgrad" else PAIRS_OF_OTHERS
        try:
            differences = [_pair(module, core, limit_s) for _ in range(1 + pairs)]
            rows[module] = Estimate.of(differences[1:])
        except ChildFailed as failure:
            rows[module] = str(failure)
    return rows


def _pair(module: str, core: int, limit_s: float) -> float:
    both = run(["-c", TIMED.format(f"numpy, {module}")], core, limit_s)
    alone = run(["-c", TIMED.format("numpy")], core, limit_s)
    return float(both.stdout) - float(alone.stdout)
