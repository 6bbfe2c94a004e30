"""Data: bundled sets, generators, fetched sets, and the Loader that turns any of them into batches of tensors.

    train, test = tg.data.digits(flatten=True)          # datasets of NumPy arrays; x, t = train[:] gives the arrays
    for x, t in tg.data.Loader(train, batch=64, shuffle=True, seed=0):
        ...                                             # x and t are tensors

`moons`, `circles`, `spirals`, `blobs` and `linear` return arrays x and y; `ArrayDataset(x, y)` makes a dataset of them.
`digits` and `text` come with teachgrad; `mnist` and `fashion_mnist` are fetched on first use, never at import.
"""

from __future__ import annotations

from .catalogue import fashion_mnist, get, mnist
from .dataset import ArrayDataset, Dataset, Subset, split
from .generators import blobs, circles, linear, moons, spirals
from .language import Vocabulary, Windows, text
from .loader import Loader
from .optdigits import digits

__all__ = [
    "ArrayDataset",
    "Dataset",
    "Loader",
    "Subset",
    "Vocabulary",
    "Windows",
    "blobs",
    "circles",
    "digits",
    "fashion_mnist",
    "get",
    "linear",
    "mnist",
    "moons",
    "spirals",
    "split",
    "text",
]
