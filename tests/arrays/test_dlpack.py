"""Sharing memory with other libraries through DLPack: no copy where there need be none, and no gradient spoilt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import teachgrad as tg

ARRAYS = {
    "matrix": np.arange(6.0).reshape(2, 3), "transposed": np.arange(6.0).reshape(2, 3).T,
    "every other": np.arange(6.0)[::2], "number": np.array(3.0), "empty": np.zeros((0, 3)),
    "bool": np.array([True, False]), "int8": np.arange(3, dtype=np.int8), "float16": np.arange(3, dtype=np.float16),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_shares_memory_with_numpy_both_ways(name: str) -> None:
    array = ARRAYS[name].copy(order="K")
    x = tg.from_dlpack(array)
    assert x.dtype == array.dtype
    np.testing.assert_array_equal(x.numpy(), array)
    assert array.size == 0 or np.shares_memory(x.numpy(), array)
    back = np.from_dlpack(x)
    np.testing.assert_array_equal(back, array)
    assert array.size == 0 or np.shares_memory(back, array)
    if array.size:
        array[...] = array == 0
        np.testing.assert_array_equal(x.numpy(), array)
    own = tg.from_dlpack(array, copy=True)
    assert array.size == 0 or not np.shares_memory(own.numpy(), array)


def test_a_tensor_is_taken_as_it_is() -> None:
    x = tg.tensor([1.0, 2.0])
    assert tg.from_dlpack(x) is x
    assert tg.from_dlpack(x, copy=True) is not x
    assert x.__dlpack_device__() == (1, 0)


def test_what_requires_a_gradient_is_not_shared() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    for share in (np.from_dlpack, tg.from_dlpack):
        with pytest.raises(tg.GradientError, match=r"detach"):
            share(w)
    np.testing.assert_array_equal(np.from_dlpack(w.detach()), [1, 2])


def test_a_write_from_outside_is_noticed() -> None:
    w = tg.tensor([3.0, 4.0], dtype=tg.float64, requires_grad=True)
    theirs, mine = np.array([1.0, 2.0]), tg.tensor([1.0, 2.0], dtype=tg.float64)
    for shared, outside in ((tg.from_dlpack(theirs), theirs), (mine, np.from_dlpack(mine))):
        loss = (w * shared).sum()
        outside[0] = 9
        with pytest.raises(tg.InplaceError, match=r"overwritten"):
            loss.backward()
        (w * shared).sum().backward()
        np.testing.assert_array_equal(w.grad.numpy(), [9, 2])
        w.grad = None


@pytest.mark.oracles("torch")
def test_shares_memory_with_torch() -> None:
    import torch

    theirs = torch.arange(6.0).reshape(2, 3).T
    x = tg.from_dlpack(theirs)
    assert x.shape == (3, 2)
    theirs[0, 1] = 9
    assert x[0, 1].item() == 9
    mine = tg.tensor([1.0, 2.0])
    back = torch.from_dlpack(mine)
    back[0] = 5
    assert mine[0].item() == 5
    assert back.dtype == torch.float32


@pytest.mark.oracles("jax")
def test_shares_memory_with_jax_for_reading() -> None:
    import jax.numpy as jnp

    x = tg.from_dlpack(jnp.arange(3.0))
    np.testing.assert_array_equal(x.numpy(), [0, 1, 2])
    with pytest.raises(tg.InplaceError, match=r"read-only"):
        x[0] = 1
    np.testing.assert_array_equal(np.asarray(jnp.from_dlpack(tg.tensor([1.0, 2.0]))), [1, 2])


@pytest.mark.parametrize("array", [np.arange(3, dtype=">f8"), np.arange(3) * 1j], ids=["big-endian", "complex"])
def test_types_without_a_counterpart_are_refused(array: Any) -> None:
    with pytest.raises((tg.DTypeError, BufferError)):
        tg.from_dlpack(array)
