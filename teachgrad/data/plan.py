"""What one pass over a dataset will load. The loop in this process and worker processes both run `Plan.load`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .collate import gather
from .dataset import ArrayDataset, Subset


@dataclass(frozen=True, slots=True)
class Plan:
    """One pass: the dataset, the order of its items (int64, one index each), the batch size, seed and epoch."""

    dataset: Any
    order: np.ndarray
    size: int
    seed: int
    epoch: int

    def indices(self, number: int) -> np.ndarray:
        """Which items batch `number` is made of, int64 of shape (size,) or, for the last batch, less."""
        return self.order[number * self.size : (number + 1) * self.size]

    def load(self, number: int) -> Any:
        """Batch `number`, counted from 0: the items stacked, all arrays NumPy's. The same in every process."""
        if _only_arrays(self.dataset):
            return gather(self.dataset, self.indices(number))
        with _global_generators(self.seed, self.epoch, number):
            return gather(self.dataset, self.indices(number))


def _only_arrays(dataset: Any) -> bool:
    """Whether the items come from arrays and no code of the user's runs: then nothing needs seeding (50 us)."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is ArrayDataset


@contextmanager
def _global_generators(*key: int) -> Iterator[None]:
    """Seed `random` and `numpy.random` from a key, and give both back as they were.

    Datasets that draw from them (a random crop, say) then give the same batch in whichever process they run, and
    never the same crop in two workers, which is what a fork would otherwise copy.
    """
    ours, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(repr(key))
    np.random.seed([word for value in key for word in (value & 0xFFFFFFFF, value >> 32)])  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(ours)
        np.random.set_state(numpys)  # noqa: NPY002
