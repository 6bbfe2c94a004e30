"""The Loader: a dataset in batches of tensors, in a seeded order, read by this process or by several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from ..errors import DataError
from .collate import to_tensors
from .dataset import Dataset, permutation
from .plan import Plan

State = dict[str, Any]


class Loader:
    """Batches of `batch` items; `for x, t in loader` is one pass over the dataset.

    - `shuffle`: pass number `epoch` takes the items in the order
      `np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(len(dataset))`; without it, in their own.
    - `drop_last`: leave out a last batch of fewer than `batch` items.
    - `workers`: how many processes load; 0 means that this one does. Batches are the same to the last bit for any
      number of workers, also where a dataset draws from `random` or `numpy.random`: both are seeded from
      (seed, epoch, number of the batch) while a batch is loaded. Workers start anew for every pass, as forks (some
      2 ms each) or as fresh interpreters (some 200 ms, and the dataset has to be picklable), whichever
      `multiprocessing` is set to. They pay where an item takes longer to make than to send: not for arrays.

    Passes are numbered from 0, and every `for` starts the next one. `state()` says after which batch of which pass
    the training stands, and `resume(state)` makes the next `for` go on from there.

    An error in a worker is raised here, with the worker's traceback as a note.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        workers: int = 0,
    ) -> None:
        if isinstance(dataset, tuple):
            raise DataError("a tuple is not a dataset; of arrays x and y, make one with tg.data.ArrayDataset(x, y)")
        if batch < 1:
            raise DataError(f"a batch has at least one item, not {batch}")
        if workers < 0:
            raise DataError(f"there cannot be {workers} workers; 0 loads in this process")
        if not 0 <= seed < 2**64:
            raise DataError(f"a seed is an int from 0 to 2**64 - 1, not {seed}")
        self.dataset = dataset
        self.batch = batch
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.workers = workers
        self._next = (0, 0)  # epoch and batch that the next pass starts with
        self._at = (0, 0)  # epoch, and batches of it handed out

    def __len__(self) -> int:
        """The number of batches in a full pass."""
        items = len(self.dataset)
        return items // self.batch if self.drop_last else -(-items // self.batch)

    @property
    def epoch(self) -> int:
        """The pass that is under way; between passes, the next one."""
        return self._position()[0]

    def __iter__(self) -> Iterator[Any]:
        self._at = epoch, start = self._next
        self._next = (epoch + 1, 0)
        return self._pass(epoch, start)

    def _pass(self, epoch: int, start: int) -> Iterator[Any]:
        items = len(self.dataset)
        order = permutation(self.seed, epoch, items) if self.shuffle else np.arange(items)
        plan = Plan(self.dataset, order, self.batch, self.seed, epoch)
        with closing(self._load(plan, range(start, len(self)))) as batches:
            for number, arrays in enumerate(batches, start):
                tensors = to_tensors(arrays)
                self._at = (epoch, number + 1)
                yield tensors

    def _load(self, plan: Plan, numbers: range) -> Any:
        if self.workers:
            from .workers import load  # multiprocessing costs import time that most programs need not pay

            return load(plan, numbers, self.workers)
        return (plan.load(number) for number in numbers)

    def state(self) -> State:
        """Where the training stands: a dict of plain numbers for `resume`, good for JSON.

        Batches that workers have prepared but that the loop has not received do not count.
        """
        epoch, batch = self._position()
        return {"epoch": epoch, "batch": batch} | self._identity()

    def resume(self, state: Mapping[str, Any]) -> None:
        """Let the next pass go on after the batch at which `state` was taken.

        A loader of another dataset length, batch size, seed or order would go on elsewhere: that is an error.
        """
        mine = self._identity()
        differing = [f"{key}={state.get(key)!r}, here {mine[key]!r}" for key in mine if state.get(key) != mine[key]]
        if differing:
            raise DataError(f"this state was taken from a different loader: {'; '.join(differing)}")
        epoch, batch = state["epoch"], state["batch"]
        if epoch < 0 or not 0 <= batch <= len(self):
            raise DataError(f"there is no batch {batch} of pass {epoch}: a pass has {len(self)} batches")
        self._next = self._at = (epoch, batch)

    def _position(self) -> tuple[int, int]:
        epoch, batch = self._at
        return (epoch, batch) if batch < len(self) else (epoch + 1, 0)

    def _identity(self) -> State:
        """What has to be equal for two loaders to give the same batches of the same dataset."""
        return {
            "items": len(self.dataset),
            "size": self.batch,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "drop_last": self.drop_last,
        }
