"""MNIST and Fashion-MNIST: fetched on first use, kept in the cache, checked whenever they are read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..cache import cache_folder
from ..errors import DataError
from .collection import COLLECTIONS, Part
from .dataset import ArrayDataset
from .idx import read_idx

BUNDLED = "tg.data.digits() needs no network: its 1,797 handwritten digits come with teachgrad."


def mnist(flatten: bool = False, scale: bool = True) -> tuple[ArrayDataset, ArrayDataset]:
    """Handwritten digits 0 to 9, 60,000 for training and 10,000 for testing: `train, test = mnist()`.

    `x, y = train[:]` gives x, float32 of shape (n, 1, 28, 28) in [0, 1] with 1 for ink (`flatten`: (n, 784);
    `scale=False`: uint8 in 0..255), and y, int64 of shape (n,).

    The first call fetches 11.6 MB; see `tg.data.get` for where from and where to. Without a network it is a DataError.

    Source: Y. LeCun, C. Cortes and C. Burges, THE MNIST DATABASE of handwritten digits, from NIST's Special Databases 1
    and 3. Licence: CC BY-SA 3.0.
    """
    return _load("mnist", flatten, scale)


def fashion_mnist(flatten: bool = False, scale: bool = True) -> tuple[ArrayDataset, ArrayDataset]:
    """Pictures of clothes in the format of MNIST, 60,000 for training and 10,000 for testing.

    Shapes and types are those of `mnist`. The classes: 0 T-shirt, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal,
    6 shirt, 7 sneaker, 8 bag, 9 ankle boot. The first call fetches 30.9 MB.

    Source: H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms, arXiv:1708.07747, 2017. Licence: MIT.
    """
    return _load("fashion_mnist", flatten, scale)


def get(name: str) -> Path:
    """Fetch the files of "mnist" or "fashion_mnist" unless they are in the cache, and return their folder.

    The cache is `$TEACHGRAD_CACHE`, else teachgrad's part of the user's cache folder. TEACHGRAD_DATA_MIRROR names a
    server to ask first, with files such as `mnist/train-images-idx3-ubyte.gz`; TEACHGRAD_OFFLINE=1 forbids the network.
    DataError says what was tried, and what works without a network.
    """
    from .download import fetch  # urllib and ssl cost import time that most programs need not pay

    if name not in COLLECTIONS:
        raise DataError(f"there is no data set {name!r} to fetch; there are {', '.join(COLLECTIONS)}. {BUNDLED}")
    collection = COLLECTIONS[name]
    own = os.environ.get("TEACHGRAD_DATA_MIRROR", "").rstrip("/")
    mirrors = (f"{own}/{name}/", *collection.mirrors) if own else collection.mirrors
    try:
        for file in collection.files:
            fetch(file, folder_of(name), mirrors)
    except DataError as error:
        raise DataError(f"{error}\n{BUNDLED}") from error.__cause__
    return folder_of(name)


def folder_of(name: str) -> Path:
    """Where the files of a data set lie, or will."""
    return cache_folder() / "data" / name


def _load(name: str, flatten: bool, scale: bool) -> tuple[ArrayDataset, ArrayDataset]:
    folder, collection = get(name), COLLECTIONS[name]
    return _read(folder, collection.train, flatten, scale), _read(folder, collection.test, flatten, scale)


def _read(folder: Path, part: Part, flatten: bool, scale: bool) -> ArrayDataset:
    x = _expect(folder / part.images.name, (part.count, 28, 28))
    y = _expect(folder / part.labels.name, (part.count,))
    if y.max() > 9:
        raise DataError(f"{folder / part.labels.name} has the label {y.max()}; the classes are 0 to 9")
    pictures = x.reshape(part.count, *((784,) if flatten else (1, 28, 28)))
    if scale:
        pictures = pictures.astype(np.float32) / 255
    return ArrayDataset(pictures, y.astype(np.int64))


def _expect(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    array = read_idx(path)
    if array.shape != shape or array.dtype != np.uint8:
        raise DataError(f"{path} holds {array.dtype} of shape {array.shape}, not uint8 of shape {shape}")
    return array
