"""The bundled handwritten digits: 1,797 pictures of 8x8 pixels, no network needed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import DataError
from .dataset import ArrayDataset, permutation

BUNDLED = Path(__file__).parent / "bundled"
TRAIN = 1437  # of 1797: four fifths


def digits(
    split: Literal["ordered", "random"] = "ordered", seed: int = 0, flatten: bool = False, scale: bool = True
) -> tuple[ArrayDataset, ArrayDataset]:
    """Handwritten digits 0 to 9 in a training set of 1,437 and a test set of 360: `train, test = digits()`.

    Each set holds pictures x and labels y, and `x, y = train[:]` gives the arrays:

    - x: float32 of shape (n, 1, 8, 8) in [0, 1], 1 for ink; with `flatten` of shape (n, 64);
      with `scale=False` uint8 in 0..16, the number of inked pixels of a 4x4 block of a 32x32 bitmap.
    - y: int64 of shape (n,), the digit.

    Split "ordered" takes the first 1,437 for training and the last 360 for testing, as the file has them. It is the
    harder one: the writers are in order too (logistic regression gets 0.900 of it right, 3 nearest neighbours 0.967).
    Split "random" first puts them into the order `Generator(Philox(key=[seed, 0])).permutation(1797)`, so both sets
    have pictures by the same writers. State the split with any accuracy you report.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    the test file `optdigits.tes`, by way of scikit-learn's copy. Licence: CC BY 4.0 by the repository's policy; what is
    known about that stands in `bundled/LICENSE-data.txt`.
    """
    if split not in ("ordered", "random"):
        raise DataError(f"split is 'ordered' or 'random', not {split!r}")
    with np.load(BUNDLED / "digits.npz") as arrays:
        x, y = arrays["x"], arrays["y"].astype(np.int64)
    pictures = x.reshape(len(x), *((64,) if flatten else (1, 8, 8)))
    if scale:
        pictures = pictures.astype(np.float32) / 16
    if split == "random":
        order = permutation(seed, 0, len(y))
        pictures, y = pictures[order], y[order]
    return ArrayDataset(pictures[:TRAIN], y[:TRAIN]), ArrayDataset(pictures[TRAIN:], y[TRAIN:])
