"""Make the bundled data anew: `python teachgrad/data/bundled/make.py`, with scikit-learn, under Python 3.11.7.

digits.npz holds scikit-learn's copy of `optdigits.tes` as bytes: x of shape (1797, 8, 8) in 0..16, y of shape (1797,).
topics.txt.gz holds the documentation topics of the running Python, sorted by name and joined with nothing between.
The digests at the end are of the contents, since compressors differ; tests/data/test_bundled.py knows them.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent
PYTHON = (3, 11, 7)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Pictures and labels as uint8, checked to lose nothing."""
    loaded = importlib.import_module("sklearn.datasets").load_digits()
    x, y = loaded.images.astype(np.uint8), loaded.target.astype(np.uint8)
    if not (np.array_equal(x, loaded.images) and np.array_equal(y, loaded.target)):
        raise SystemExit("the digits are not all small whole numbers")
    return x, y


def topics() -> str:
    if sys.version_info[:3] != PYTHON:
        raise SystemExit(f"the text is pinned to Python {'.'.join(map(str, PYTHON))}; this is {sys.version.split()[0]}")
    from pydoc_data.topics import topics

    return "".join(topics[name] for name in sorted(topics))


def main() -> None:
    text = topics()
    x, y = digits()
    np.savez_compressed(FOLDER / "digits.npz", x=x, y=y)
    (FOLDER / "topics.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    print("digits x", hashlib.sha256(x.tobytes()).hexdigest())
    print("digits y", hashlib.sha256(y.tobytes()).hexdigest())
    print("topics  ", hashlib.sha256(text.encode()).hexdigest(), len(text), "characters")


if __name__ == "__main__":
    main()
