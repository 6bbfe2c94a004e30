"""Import time of teachgrad, and of the others, over NumPy's own: fresh interpreters, with and without, in pairs."""

from __future__ import annotations

from ..children import ChildFailed, run
from ..machine import versions
from ..timing import Estimate

PAIRS, PAIRS_OF_OTHERS = 21, 5
TIMED = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def measure(core: int, limit_s: float) -> dict[str, Estimate]:
    """Seconds for `import numpy, X` less those for `import numpy`, by X. A first pair fills the caches, uncounted."""
    rows = {}
    for module in sorted(versions().keys() - {"numpy"}):
        pairs = PAIRS if module == "teachgrad" else PAIRS_OF_OTHERS
        try:
            differences = [_pair(module, core, limit_s) for _ in range(1 + pairs)]
        except ChildFailed:
            continue
        rows[module] = Estimate.of(differences[1:])
    return rows


def _pair(module: str, core: int, limit_s: float) -> float:
    both = run(["-c", TIMED.format(f"numpy, {module}")], core, limit_s)
    alone = run(["-c", TIMED.format("numpy")], core, limit_s)
    return float(both.stdout) - float(alone.stdout)
