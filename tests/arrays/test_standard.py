"""The Python array API standard 2024.12: names, signatures, data types and values.

`standard_2024_12.txt` lists the functions with their arguments and defaults; it is compared with the reference
implementation, array-api-strict, where that is installed. Values are compared with NumPy, which has had the same names
since its version 2: every case below is one call, made with `teachgrad.xp` and with `numpy`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import xp

STANDARD = {
    line[:line.index("(")]: line[line.index("("):]
    for line in (Path(__file__).parent / "standard_2024_12.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
}
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
REALS = ("float32", "float64")
INTEGERS = DTYPES[1:9]


def function(namespace: Any, name: str) -> Any:
    for part in name.split("."):
        namespace = getattr(namespace, part)
    return namespace


def words(text: str) -> list[str]:
    return text.split()


def signature(text: str) -> inspect.Signature:
    space: dict[str, Any] = {}
    exec(f"def f{text}: ...", space)
    return inspect.signature(space["f"])


# ---- names and signatures --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", STANDARD)
def test_signature(name: str) -> None:
    """Every call that the standard allows is allowed here and means the same."""
    mine = list(inspect.signature(function(xp, name)).parameters.values())
    theirs = list(signature(STANDARD[name]).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    by_position = [p for p in mine if p.kind in positional]
    for place, p in enumerate(p for p in theirs if p.kind in positional):
        assert by_position[place].default == p.default
        if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            assert by_position[place].name == p.name
            assert by_position[place].kind is p.kind
    named = {p.name: p for p in mine if p.kind is not inspect.Parameter.POSITIONAL_ONLY}
    for p in theirs:
        if p.kind is inspect.Parameter.KEYWORD_ONLY:
            assert named[p.name].default == p.default
        elif p.kind is inspect.Parameter.VAR_POSITIONAL:
            assert any(m.kind is p.kind for m in mine)
    known = {p.name for p in theirs}
    required = sum(p.default is inspect.Parameter.empty for p in theirs)
    for p in mine[required:]:
        assert p.name in known or p.kind is p.VAR_POSITIONAL or p.default is not inspect.Parameter.empty


def test_nothing_is_missing_and_all_is_public() -> None:
    missing = [name for name in STANDARD if "." not in name and name not in xp.__all__]
    assert not missing
    assert not [name for name in xp.__all__ if not hasattr(xp, name)]
    assert not [name for name in STANDARD if name.startswith("linalg.") and name[7:] not in xp.linalg.__all__]
    for name in ("e", "inf", "nan", "newaxis", "pi", *DTYPES):
        assert hasattr(xp, name)
    assert (xp.e, xp.pi, xp.inf, xp.newaxis) == (math.e, math.pi, math.inf, None)
    assert math.isnan(xp.nan)
    assert not [name for name in xp.__all__ if not name.startswith("__") and not hasattr(tg, name)]


def test_tensor_has_what_the_standard_asks_of_an_array() -> None:
    x = tg.tensor([[1, 2], [3, 4]])
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(tg.TeachgradError, match=r"2024.12, not '1999.01'"):
        x.__array_namespace__(api_version="1999.01")
    assert (x.shape, x.ndim, x.size, x.dtype, x.device) == ((2, 2), 2, 4, xp.int64, "cpu")
    np.testing.assert_array_equal(x.T.numpy(), x.mT.numpy())
    assert x.to_device("cpu") is x
    with pytest.raises(tg.TeachgradError, match=r"no device 'tpu'"):
        x.to_device("tpu")
    for name in ("cuda", "cuda:0", "gpu:1"):
        with pytest.raises(tg.TeachgradError, match=rf"no device '{name}'; .*called \"gpu\" here; which one, CUDA_VIS"):
            x.to(name)
    with pytest.raises(tg.TeachgradError, match="None names neither a device nor a data type"):
        x.to(None)
    for name in words("abs bool eq float ge getitem gt index int invert le lt ne neg pos setitem dlpack dlpack_device"):
        assert hasattr(tg.Tensor, f"__{name}__")
    for name in words("add sub mul truediv floordiv pow mod and or xor lshift rshift matmul"):
        assert hasattr(tg.Tensor, f"__{name}__")
        assert hasattr(tg.Tensor, f"__i{name}__")
        assert hasattr(tg.Tensor, f"__r{name}__")


def test_namespace_info() -> None:
    info = xp.__array_namespace_info__()
    assert info.capabilities() == {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}
    assert info.default_device() == "cpu"
    assert info.devices() == ["cpu"]
    assert info.default_dtypes() == {"real floating": xp.float32, "integral": xp.int64, "indexing": xp.int64}
    assert set(info.dtypes()) == {*DTYPES, "float16"}
    assert set(info.dtypes(kind="integral")) == set(INTEGERS)
    assert set(info.dtypes(kind=("bool", "unsigned integer"))) == {"bool", "uint8", "uint16", "uint32", "uint64"}
    assert info.dtypes(kind="complex floating") == {}
    assert all(getattr(xp, name) == dtype for name, dtype in info.dtypes(device="cpu").items())


@pytest.mark.oracles("array_api_strict")
def test_the_list_is_that_of_the_reference() -> None:
    import array_api_strict as strict

    def plain(p: inspect.Parameter) -> tuple[Any, ...]:
        return p.kind, "" if p.kind is p.POSITIONAL_ONLY else p.name, None if "UNDEF" in repr(p.default) else p.default

    later = {"isin", "broadcast_shapes"}  # of the standard 2025.12
    left_out = {"conj", "imag", "real"}
    theirs = {name for name in dir(strict) if callable(getattr(strict, name)) and not name.startswith("_")
              and not isinstance(getattr(strict, name), type) and "flags" not in name}
    theirs |= {f"linalg.{name}" for name in strict.linalg.__all__}
    assert theirs - later - left_out == set(STANDARD)
    for name, text in STANDARD.items():
        if name != "expand_dims":  # whose axis lost its default in 2025.12
            want = inspect.signature(function(strict, name)).parameters.values()
            assert list(map(plain, signature(text).parameters.values())) == list(map(plain, want)), name


# ---- data types ------------------------------------------------------------------------------------------------------

def one(dtype: str, shape: tuple[int, ...] = (2,)) -> tg.Tensor:
    return tg.ones(shape, dtype=dtype)


ARITHMETIC = ("add", "subtract", "multiply", "maximum", "minimum", "floor_divide", "remainder", "pow")
FLOATING = ("divide", "atan2", "hypot", "logaddexp", "copysign", "nextafter")
COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
BITS = ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift")
LOGIC = ("logical_and", "logical_or", "logical_xor")
BINARY = (*ARITHMETIC, *FLOATING, *COMPARISONS, *BITS, *LOGIC)


def takes(name: str, dtype: str) -> bool:
    """Whether the standard has the function take the type."""
    if name in LOGIC:
        return dtype == "bool"
    if name in FLOATING:
        return dtype in REALS
    if name in BITS:
        return dtype not in REALS and not (dtype == "bool" and "shift" in name)
    return dtype != "bool" or name in ("equal", "not_equal")


@pytest.mark.parametrize("name", BINARY)
def test_promotion(name: str) -> None:
    for first in DTYPES:
        for second in DTYPES:
            if not (takes(name, first) and takes(name, second)) or {first, second} >= {"uint64", "int64"}:
                continue
            if (first in REALS) != (second in REALS) or (first == "bool") != (second == "bool"):
                continue
            signed = {first[0], second[0]} == {"i", "u"}
            if signed and "uint64" in (first, second):
                continue  # there is no integer type for both
            want = np.dtype("bool") if name in COMPARISONS + LOGIC else np.promote_types(first, second)
            z = function(xp, name)(one(first), one(second, (3, 1)))
            assert z.dtype == want, (first, second)
            assert z.shape == (3, 2)


def test_where_the_standard_is_silent_floats_stay_as_they_are() -> None:
    for other in ("bool", *INTEGERS):
        for real in (*REALS, "float16"):
            assert xp.result_type(getattr(xp, other), getattr(xp, real)) == real
            assert (one(real) * one(other)).dtype == real
            assert (one(other) * one(real)).dtype == real


@pytest.mark.oracles("array_api_strict")
def test_promotion_is_that_of_the_reference() -> None:
    import array_api_strict as strict

    compared = 0
    for first in DTYPES:
        for second in DTYPES:
            a, b = getattr(strict, first), getattr(strict, second)
            try:
                want = str(strict.result_type(a, b)).rpartition(".")[2]
            except TypeError:
                continue
            compared += 1
            assert xp.result_type(getattr(xp, first), getattr(xp, second)) == want
            if (first in REALS) == (second in REALS) and (first == "bool") == (second == "bool"):
                assert xp.can_cast(getattr(xp, first), getattr(xp, second)) == strict.can_cast(a, b), (first, second)
    assert compared == 61  # bool, 4 x 4 signed, 4 x 4 unsigned, 4 x 3 of both twice, 2 x 2 floats
    for name in REALS:
        assert tuple(xp.finfo(name))[:5] == tuple(getattr(strict.finfo(getattr(strict, name)), field) for field in (
            "bits", "eps", "max", "min", "smallest_normal"))
    for name in INTEGERS:
        info = strict.iinfo(getattr(strict, name))
        assert tuple(xp.iinfo(name))[:3] == (info.bits, info.max, info.min)


def test_python_numbers_take_the_type_of_the_tensor() -> None:
    for dtype in DTYPES:
        x = one(dtype)
        if dtype == "bool":
            assert (x & True).dtype == "bool"
            assert (x + 1).dtype == "int64"
            assert (x * 1.5).dtype == "float32"
            continue
        assert (x + 1).dtype == (1 + x).dtype == (x * 2).dtype == dtype
        assert (x > 0).dtype == "bool"
        assert xp.result_type(x, 3) == dtype
        assert (x * 0.5).dtype == (dtype if dtype in REALS else "float32")
        assert xp.result_type(x, 0.5) == (dtype if dtype in REALS else "float32")
        assert xp.where(x > 0, x, 0).dtype == dtype
        assert xp.clip(x, 0, 5).dtype == dtype
    assert xp.result_type(1, 2.0) == "float32"
    assert xp.result_type(True, 2) == "int64"
    assert xp.result_type(xp.int8, True, 5) == "int8"


def test_types_of_sums_products_and_places() -> None:
    for dtype in DTYPES:
        wide = dtype if dtype in REALS else "uint64" if dtype[0] == "u" else "int64"
        if dtype != "bool":
            for name in ("sum", "prod"):
                assert function(xp, name)(one(dtype)).dtype == wide
                assert function(xp, name)(one(dtype), dtype=xp.float64).dtype == "float64"
            for name in ("cumulative_sum", "cumulative_prod"):
                assert function(xp, name)(one(dtype)).dtype == wide
            for name in ("argmax", "argmin", "argsort", "count_nonzero"):
                assert function(xp, name)(one(dtype)).dtype == "int64"
            assert xp.max(one(dtype)).dtype == dtype
            assert xp.searchsorted(one(dtype), one(dtype)).dtype == "int64"
        assert xp.all(one(dtype)).dtype == xp.any(one(dtype)).dtype == "bool"
        assert xp.nonzero(one(dtype))[0].dtype == "int64"
        assert [v.dtype for v in xp.unique_all(one(dtype))] == [dtype, "int64", "int64", "int64"]
        assert xp.concat([one("uint8"), one(dtype)]).dtype == xp.result_type(xp.uint8, getattr(xp, dtype))
    for name in ("mean", "var", "std"):
        with pytest.raises(tg.DTypeError, match=rf"{name} of int64"):
            function(xp, name)(one("int64"))


def test_questions_about_types() -> None:
    kinds = {"bool": "bool", "int8": "signed integer", "uint8": "unsigned integer", "float32": "real floating"}
    for dtype, kind in kinds.items():
        for other in kinds.values():
            assert xp.isdtype(getattr(xp, dtype), other) == (kind == other)
    assert xp.isdtype(xp.int32, "integral")
    assert xp.isdtype(xp.float64, ("integral", "numeric"))
    assert not xp.isdtype(xp.bool, "numeric")
    assert not xp.isdtype(xp.float64, "complex floating")
    assert xp.isdtype(xp.int32, xp.int32)
    assert not xp.isdtype(xp.int32, xp.int64)
    assert xp.can_cast(xp.int8, xp.int16)
    assert not xp.can_cast(one("int16"), xp.int8)
    assert xp.finfo(tg.ones(1)).eps == 2.0**-23
    assert xp.iinfo(xp.uint8).max == 255
    with pytest.raises(tg.DTypeError, match=r"use iinfo"):
        xp.finfo(xp.int8)
    with pytest.raises(tg.DTypeError, match=r"iinfo is for integer"):
        xp.iinfo(xp.float32)
    with pytest.raises(tg.DTypeError, match=r"not a supported dtype"):
        xp.isdtype(xp.int8, "numbers")


# ---- values: the same call with teachgrad.xp and with NumPy ----------------------------------------------------------

SHAPES = ((), (3,), (0,), (2, 3), (2, 0, 3), (1, 2, 2))
Call = Callable[..., Any]


def numbers(dtype: str, shape: tuple[int, ...], low: float = -3, high: float = 4) -> Any:
    rng = np.random.default_rng([DTYPES.index(dtype), *shape])
    if dtype == "bool":
        return np.asarray(rng.integers(0, 2, shape).astype(bool))
    if dtype in REALS:
        return np.asarray(rng.uniform(low, high, shape).astype(dtype))
    return np.asarray(rng.integers(max(low, 0) if dtype[0] == "u" else low, high, shape).astype(dtype))


def flat(answer: Any) -> list[Any]:
    return [v for part in answer for v in flat(part)] if isinstance(answer, (tuple, list)) else [answer]


def same(call: Call, *arrays: Any, rtol: float = 0.0) -> None:
    """The call gives the same with both: type, shape, and every bit, or with `rtol` nearly."""
    got = flat(call(xp, *[tg.tensor(a) if isinstance(a, np.ndarray) else a for a in arrays]))
    want = flat(call(np, *arrays))
    assert len(got) == len(want)
    for mine, theirs in zip(got, want, strict=True):
        theirs = np.asarray(theirs)
        assert isinstance(mine, tg.Tensor)
        assert mine.dtype == theirs.dtype
        assert mine.shape == theirs.shape
        if rtol:
            np.testing.assert_allclose(mine.numpy(), theirs, rtol=rtol, atol=rtol)
        else:
            np.testing.assert_array_equal(mine.numpy(), theirs)


DOMAINS = {"acos": (-1, 1), "asin": (-1, 1), "atanh": (-0.9, 0.9), "acosh": (1, 4), "log": (0.1, 4), "log1p": (-0.9, 4),
           "log2": (0.1, 4), "log10": (0.1, 4), "sqrt": (0, 4), "reciprocal": (0.2, 3)}
FLOAT_FUNCTIONS = words("acos acosh asin asinh atan atanh cos cosh exp expm1 log log1p log2 log10 reciprocal sin sinh "
                        "sqrt tan tanh signbit")
NUMBER_FUNCTIONS = words("abs ceil floor isfinite isinf isnan negative positive round sign square trunc")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_functions_of_one_number(shape: tuple[int, ...]) -> None:
    for name in FLOAT_FUNCTIONS:
        for dtype in REALS:
            same(lambda m, x, n=name: function(m, n)(x), numbers(dtype, shape, *DOMAINS.get(name, (-3, 4))))
    for name in NUMBER_FUNCTIONS:
        for dtype in DTYPES[1:]:
            same(lambda m, x, n=name: function(m, n)(x), numbers(dtype, shape))
    for dtype in ("bool", *INTEGERS):
        same(lambda m, x: m.bitwise_invert(x), numbers(dtype, shape))
    same(lambda m, x: m.logical_not(x), numbers("bool", shape))


@pytest.mark.parametrize(("first", "second"), [((3,), (3,)), ((), (2, 3)), ((2, 1), (3,)), ((0,), (1,)), ((), ())],
                         ids=str)
@pytest.mark.parametrize("name", BINARY)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_functions_of_two_numbers(name: str, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    for dtype in DTYPES:
        if takes(name, dtype):
            x = numbers(dtype, first)
            positive = name in ("floor_divide", "remainder", "pow") or "shift" in name
            y = numbers(dtype, second, *((1, 4) if positive else (-3, 4)))
            same(lambda m, x, y: function(m, name)(x, y), x, y)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_special_numbers() -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0])
    with np.errstate(all="ignore"):
        for name in (*FLOAT_FUNCTIONS, *NUMBER_FUNCTIONS):
            same(lambda m, x, n=name: function(m, n)(x), x)
        for name in (*ARITHMETIC, *FLOATING, *COMPARISONS):
            same(lambda m, x, n=name: function(m, n)(x[:, None], x[None, :]), x)
    for name in ("max", "min", "argmax", "argmin", "sum", "prod", "sort", "argsort", "all", "any"):
        same(lambda m, x, n=name: function(m, n)(x), x)


AXES = ((None, (2, 3)), (0, (2, 3)), (-1, (2, 3)), ((0, 2), (2, 3, 2)), ((), (2, 3)), (None, ()), (1, (2, 0)),
        (0, (0, 3)))


@pytest.mark.parametrize(("axis", "shape"), AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(axis: Any, shape: tuple[int, ...], keepdims: bool) -> None:
    settings = {"axis": axis, "keepdims": keepdims}
    empty = 0 in shape
    for dtype in DTYPES[1:]:
        x = numbers(dtype, shape)
        for name in ("sum", "prod", *(() if empty else ("max", "min"))):
            same(lambda m, x, n=name: function(m, n)(x, **settings), x)
    for dtype in DTYPES:
        for name in ("all", "any", "count_nonzero"):
            if name == "count_nonzero" and axis == ():
                continue  # NumPy takes no axes for all axes there
            same(lambda m, x, n=name: function(m, n)(x, **settings), numbers(dtype, shape))
    for dtype in REALS:
        x = numbers(dtype, shape)
        if not empty:
            same(lambda m, x: m.mean(x, **settings), x, rtol=1e-6 if dtype == "float32" else 1e-14)
            for name in ("var", "std"):
                for correction in (0, 1, 0.5):
                    if x.size > 2 and axis != ():
                        same(lambda m, x, n=name, c=correction: function(m, n)(x, correction=c, **settings), x)
        same(lambda m, x: m.linalg.vector_norm(x, **settings), x, rtol=1e-6)


def test_of_nothing() -> None:
    for name in ("max", "min", "argmax", "argmin"):
        with pytest.raises(tg.ShapeError, match=r"of no elements: shape \(2, 0\) is empty"):
            function(xp, name)(tg.ones((2, 0)), axis=1)
    assert xp.sum(tg.ones((0,))).item() == 0
    assert xp.prod(tg.ones((0,))).item() == 1
    assert xp.all(tg.ones((0,))).item() is True
    assert xp.any(tg.ones((0,))).item() is False


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4), (0,), (2, 0)], ids=str)
def test_along_one_axis(shape: tuple[int, ...]) -> None:
    for axis in range(-len(shape), len(shape)):
        for dtype in DTYPES[1:]:
            x = numbers(dtype, shape)
            for initial in (False, True):
                settings = {"axis": axis, "include_initial": initial}
                same(lambda m, x, s=settings: (m.cumulative_sum(x, **s), m.cumulative_prod(x, **s)), x)
            if x.shape[axis]:
                for keepdims in (False, True):
                    settings = {"axis": axis, "keepdims": keepdims}
                    same(lambda m, x, s=settings: (m.argmax(x, **s), m.argmin(x, **s)), x)
            for n in (1, 2):
                same(lambda m, x, n=n, axis=axis: m.diff(x, n=n, axis=axis), x)
            order = np.argsort(x, axis=axis, kind="stable")
            down = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
            t = tg.tensor(x)
            np.testing.assert_array_equal(xp.argsort(t, axis=axis).numpy(), order)
            np.testing.assert_array_equal(xp.argsort(t, axis=axis, descending=True).numpy(), down)
            np.testing.assert_array_equal(xp.sort(t, axis=axis).numpy(), np.sort(x, axis=axis))
            backwards = xp.sort(t, axis=axis, descending=True)
            np.testing.assert_array_equal(backwards.numpy(), np.take_along_axis(x, down, axis))
            np.testing.assert_array_equal(xp.sort(t, axis=axis, stable=False).numpy(), np.sort(x, axis=axis))


def test_descending_order_is_stable() -> None:
    x = tg.tensor([2, 1, 2, 1, 2])
    np.testing.assert_array_equal(xp.argsort(x, descending=True).numpy(), [0, 2, 4, 1, 3])
    zeros = tg.tensor([0.0, -0.0, 0.0])
    np.testing.assert_array_equal(np.signbit(xp.sort(zeros, descending=True).numpy()), [False, True, False])
    nans = tg.tensor([1.0, math.nan, 2.0])
    np.testing.assert_array_equal(xp.sort(nans, descending=True).numpy(), [math.nan, 2, 1])
    large = tg.tensor(np.array([0, 2**64 - 1, 5], dtype=np.uint64))
    np.testing.assert_array_equal(xp.sort(large, descending=True).numpy(), np.array([2**64 - 1, 5, 0], np.uint64))


MOVES: dict[str, tuple[Call, tuple[tuple[int, ...], ...]]] = {
    "broadcast_arrays": (lambda m, x, y: m.broadcast_arrays(x, y), ((2, 1), (3,))),
    "broadcast_to": (lambda m, x: m.broadcast_to(x, (4, 2, 3)), ((2, 1),)),
    "concat": (lambda m, x, y: m.concat((x, y), axis=1), ((2, 3), (2, 0))),
    "concat flat": (lambda m, x, y: m.concat((x, y), axis=None), ((2, 3), (2, 1))),
    "expand_dims": (lambda m, x: (m.expand_dims(x, axis=0), m.expand_dims(x, axis=-1)), ((2, 3),)),
    "flip": (lambda m, x: (m.flip(x), m.flip(x, axis=1), m.flip(x, axis=(0, -1))), ((2, 3, 2),)),
    "flip nothing": (lambda m, x: m.flip(x), ((),)),
    "matrix_transpose": (lambda m, x: m.matrix_transpose(x), ((2, 3, 4),)),
    "moveaxis": (lambda m, x: (m.moveaxis(x, 0, -1), m.moveaxis(x, (0, 1), (2, 0))), ((2, 3, 4),)),
    "permute_dims": (lambda m, x: m.permute_dims(x, (2, 0, 1)), ((2, 3, 4),)),
    "repeat": (lambda m, x: (m.repeat(x, 2), m.repeat(x, 3, axis=0), m.repeat(x, 0, axis=1)), ((2, 3),)),
    "reshape": (lambda m, x: (m.reshape(x, (3, 2)), m.reshape(x, (-1,)), m.reshape(x, (2, -1), copy=True)), ((2, 3),)),
    "reshape a number": (lambda m, x: m.reshape(x, (1, 1)), ((),)),
    "roll": (lambda m, x: (m.roll(x, 2), m.roll(x, -1, axis=0), m.roll(x, (1, 2), axis=(0, 1))), ((3, 4),)),
    "roll nothing": (lambda m, x: m.roll(x, 1), ((0,),)),
    "squeeze": (lambda m, x: (m.squeeze(x, axis=0), m.squeeze(x, axis=(0, -1))), ((1, 2, 1),)),
    "stack": (lambda m, x, y: (m.stack((x, y)), m.stack([x, y], axis=-1)), ((2, 3), (2, 3))),
    "take": (lambda m, x: m.take(x, m.asarray([2, 0, 2]), axis=1), ((2, 3),)),
    "tile": (lambda m, x: (m.tile(x, (2,)), m.tile(x, (2, 1, 2)), m.tile(x, (0, 1))), ((2, 3),)),
    "tile a number": (lambda m, x: m.tile(x, (2, 2)), ((),)),
    "tril": (lambda m, x: (m.tril(x), m.tril(x, k=-1), m.triu(x, k=1), m.triu(x)), ((2, 3, 4),)),
    "unstack": (lambda m, x: (m.unstack(x), m.unstack(x, axis=-1)), ((2, 3),)),
    "unstack nothing": (lambda m, x: m.unstack(x), ((0, 3),)),
    "where": (lambda m, x, y: m.where(x > y, x, y), ((2, 3), (3,))),
    "meshgrid": (lambda m, x, y: (m.meshgrid(x, y), m.meshgrid(x, y, indexing="ij")), ((2,), (3,))),
    "meshgrid of three": (lambda m, x, y, z: (m.meshgrid(x, y, z), m.meshgrid(x)), ((2,), (3,), ())),
    "nonzero": (lambda m, x: m.nonzero(x), ((3, 4),)),
    "searchsorted": (lambda m, x, y: (m.searchsorted(m.sort(x), y), m.searchsorted(m.sort(x), y, side="right")),
                     ((5,), (2, 3))),
    "take_along_axis": (lambda m, x: m.take_along_axis(x, m.argsort(x, axis=0), axis=0), ((3, 2),)),
    "unique": (lambda m, x: (m.unique_all(x), m.unique_counts(x), m.unique_inverse(x), m.sort(m.unique_values(x))),
               ((3, 4),)),
    "diff joined": (lambda m, x, y: m.diff(x, prepend=y, append=y), ((2, 3), (2, 1))),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name: str) -> None:
    call, shapes = MOVES[name]
    for dtype in DTYPES:
        if not (dtype == "bool" and name in ("searchsorted",)):
            same(call, *[numbers(dtype, shape) for shape in shapes])


def test_unique_counts_every_nan() -> None:
    found = xp.unique_all(tg.tensor([math.nan, 1.0, math.nan]))
    np.testing.assert_array_equal(found.values.numpy(), [1, math.nan, math.nan])
    np.testing.assert_array_equal(found.counts.numpy(), [1, 1, 1])


PRODUCTS: dict[str, tuple[Call, tuple[tuple[int, ...], ...]]] = {
    "matmul": (lambda m, x, y: m.matmul(x, y), ((2, 3), (3, 4))),
    "matmul of nothing": (lambda m, x, y: m.matmul(x, y), ((2, 0), (0, 4))),
    "matmul of vectors": (lambda m, x, y: m.matmul(x, y), ((3,), (3,))),
    "matmul of batches": (lambda m, x, y: m.matmul(x, y), ((2, 1, 2, 3), (3, 3, 2))),
    "tensordot": (lambda m, x, y: (m.tensordot(x, y), m.tensordot(x, y, axes=0)), ((2, 3), (2, 3))),
    "tensordot pairs": (lambda m, x, y: m.tensordot(x, y, axes=((0, 2), (1, 0))), ((2, 3, 4), (4, 2, 5))),
    "vecdot": (lambda m, x, y: m.vecdot(x, y), ((2, 3), (3,))),
    "vecdot axis": (lambda m, x, y: m.vecdot(x, y, axis=-2), ((2, 3), (2, 3))),
    "outer": (lambda m, x, y: m.linalg.outer(x, y), ((2,), (3,))),
    "cross": (lambda m, x, y: m.linalg.cross(x, y), ((2, 3), (2, 3))),
    "trace": (lambda m, x: (m.linalg.trace(x), m.linalg.trace(x, offset=1)), ((2, 3, 4),)),
    "diagonal": (lambda m, x: (m.linalg.diagonal(x), m.linalg.diagonal(x, offset=-1), m.linalg.diagonal(x, offset=9)),
                 ((2, 3, 4),)),
    "matrix_power": (lambda m, x: (m.linalg.matrix_power(x, 3), m.linalg.matrix_power(x, 0)), ((2, 2),)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str) -> None:
    call, shapes = PRODUCTS[name]
    for dtype in ("int32", "int64", "uint8", *REALS):
        if name in ("matrix_power", "cross") and dtype not in REALS:
            continue
        if name == "trace" and dtype in ("int32", "uint8"):
            continue  # NumPy keeps the type, the standard asks for the default integer
        same(call, *[numbers(dtype, shape) for shape in shapes], rtol=1e-5 if dtype == "float32" else 1e-13)
    x = tg.ones((2, 2), dtype=tg.uint8)
    assert xp.linalg.trace(x).dtype == "uint64"


@pytest.mark.parametrize("lead", [(), (2,), (2, 0)], ids=str)
@pytest.mark.parametrize("dtype", REALS)
def test_matrices(lead: tuple[int, ...], dtype: str) -> None:
    rtol = 1e-4 if dtype == "float32" else 1e-11
    square, wide = numbers(dtype, (*lead, 3, 3)) + 4 * np.eye(3, dtype=dtype), numbers(dtype, (*lead, 2, 4))
    symmetric = square @ np.swapaxes(square, -1, -2)
    symmetric = (symmetric + np.swapaxes(symmetric, -1, -2)) / 2
    right = numbers(dtype, (*lead, 3, 2))
    for name in ("inv", "det", "slogdet", "svdvals", "matrix_rank", "matrix_norm"):
        same(lambda m, x, n=name: function(m.linalg, n)(x), square, rtol=rtol)
    same(lambda m, x, y: m.linalg.solve(x, y), square, right, rtol=rtol)
    same(lambda m, x: (m.linalg.cholesky(x), m.linalg.cholesky(x, upper=True)), symmetric, rtol=rtol)
    same(lambda m, x: m.linalg.eigvalsh(x), symmetric, rtol=rtol)
    same(lambda m, x: m.linalg.pinv(x), wide, rtol=rtol)
    for order in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        same(lambda m, x, o=order: m.linalg.matrix_norm(x, ord=o, keepdims=True), wide, rtol=rtol)
    found = xp.linalg.eigh(tg.tensor(symmetric))
    rebuilt = found.eigenvectors * found.eigenvalues[..., None, :] @ found.eigenvectors.mT
    np.testing.assert_allclose(rebuilt.numpy(), symmetric, rtol=rtol, atol=100 * rtol)
    for full in (False, True):
        u, s, vh = xp.linalg.svd(tg.tensor(wide), full_matrices=full)
        np.testing.assert_allclose((u[..., :2] * s[..., None, :] @ vh[..., :2, :]).numpy(), wide, rtol=rtol, atol=rtol)
        for orthogonal in (u.mT @ u, vh @ vh.mT):
            identity = np.broadcast_to(np.eye(orthogonal.shape[-1]), orthogonal.shape)
            np.testing.assert_allclose(orthogonal.numpy(), identity, atol=rtol)
    for mode in ("reduced", "complete"):
        q, r = xp.linalg.qr(tg.tensor(square), mode=mode)
        np.testing.assert_allclose((q @ r).numpy(), square, rtol=rtol, atol=10 * rtol)
        np.testing.assert_array_equal(r.numpy(), np.triu(r.numpy()))


def test_norm_finds_out_which() -> None:
    x = numbers("float64", (3, 4))
    t = tg.tensor(x)
    for settings in ({}, {"axis": 0}, {"ord": 1, "axis": 1}, {"ord": "nuc"}, {"ord": 2},
                     {"axis": (1, 0), "ord": 1, "keepdims": True}):
        np.testing.assert_allclose(tg.linalg.norm(t, **settings).numpy(), np.linalg.norm(x, **settings), rtol=1e-13)
    np.testing.assert_allclose(tg.linalg.norm(t[0], 3).numpy(), np.linalg.norm(x[0], 3), rtol=1e-13)


CREATIONS: tuple[Call, ...] = (
    lambda m, d: m.zeros((2, 3), dtype=d), lambda m, d: m.ones(3, dtype=d), lambda m, d: m.full((2,), 3, dtype=d),
    lambda m, d: m.eye(3, dtype=d), lambda m, d: m.eye(2, 4, k=1, dtype=d), lambda m, d: m.eye(3, k=-1, dtype=d),
    lambda m, d: m.arange(5, dtype=d), lambda m, d: m.arange(1, 9, 3, dtype=d),
    lambda m, d: m.arange(5, 0, -2, dtype=d),
    lambda m, d: m.linspace(0, 6, 7, dtype=d), lambda m, d: m.linspace(1, 4, 3, endpoint=False, dtype=d),
    lambda m, d: m.zeros_like(m.ones((2, 0), dtype=d)), lambda m, d: m.ones_like(m.zeros((), dtype=d)),
    lambda m, d: m.full_like(m.zeros((2,), dtype=d), 1), lambda m, d: m.asarray([[1, 0], [1, 1]], dtype=d),
    lambda m, d: m.linspace(0, 1, 1, dtype=d), lambda m, d: m.linspace(0, 1, 0, dtype=d),
    lambda m, d: m.arange(3, 3, dtype=d),
)


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_creation(dtype: str) -> None:
    for call in CREATIONS:
        if dtype[0] == "u" and call is CREATIONS[8]:
            continue
        same(lambda m, call=call: call(m, dtype))


def test_types_of_what_is_created() -> None:
    for floats in (xp.zeros(2), xp.ones(2), xp.empty(2), xp.eye(2), xp.linspace(0, 1, 3), xp.arange(3.0),
                   xp.arange(0, 1, 0.25), xp.full(2, 1.0), xp.asarray(1.0)):
        assert floats.dtype == "float32"
    assert xp.arange(3).dtype == xp.full(2, 1).dtype == xp.asarray([1, 2]).dtype == "int64"
    assert xp.full(2, True).dtype == xp.asarray([True]).dtype == "bool"
    np.testing.assert_array_equal(xp.arange(0, 1, 0.1).numpy(), np.arange(0, 1, 0.1).astype(np.float32))
    np.testing.assert_array_equal(xp.empty_like(xp.ones((2, 3))).shape, (2, 3))
    tg.set_default_dtype(tg.float64)
    try:
        assert xp.zeros(2).dtype == xp.asarray(1.0).dtype == "float64"
        assert xp.__array_namespace_info__().default_dtypes()["real floating"] == "float64"
    finally:
        tg.set_default_dtype(tg.float32)


def test_asarray_copies_when_it_should() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    assert xp.asarray(x) is x
    assert xp.asarray(x, copy=False) is x
    copied = xp.asarray(x, copy=True)
    assert copied is not x
    copied.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1])
    assert xp.asarray(x, dtype=xp.float64).dtype == "float64"
    with pytest.raises(tg.InplaceError, match=r"without a copy"):
        xp.asarray(x, dtype=xp.float64, copy=False)
    with pytest.raises(tg.InplaceError, match=r"without a copy"):
        xp.asarray([1, 2], copy=False)
    array = np.array([1.0, 2.0])
    shared, own = xp.asarray(array, copy=False), xp.asarray(array)
    array[0] = 9
    assert (shared[0].item(), own[0].item()) == (9.0, 1.0)


def test_a_write_to_shared_memory_is_noticed() -> None:
    array = np.array([1.0, 2.0])
    w = tg.tensor([3.0, 4.0], dtype=tg.float64, requires_grad=True)
    loss = (w * xp.asarray(array, copy=False)).sum()
    array[0] = 9
    with pytest.raises(tg.InplaceError, match=r"needs a value that was overwritten"):
        loss.backward()


def test_gradients_flow_through_creation() -> None:
    x = tg.tensor(2.0, requires_grad=True)
    xp.full((2, 3), x).sum().backward()
    assert x.grad.item() == 6
    leaf = tg.zeros((2,), requires_grad=True)
    (leaf + 1).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), [1, 1])


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_deviation_of_equal_numbers_has_the_gradient_zero() -> None:
    for spread in (tg.std, tg.var):
        x = tg.tensor([[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]], requires_grad=True)
        spread(x, axis=1, correction=1).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy()[0], [0, 0, 0])
        assert x.grad.numpy()[1, 0] < 0 < x.grad.numpy()[1, 2]
        one = tg.tensor([2.0], requires_grad=True)
        spread(one, correction=1).backward()
        assert np.isnan(one.grad.numpy()).all()  # the deviation of one number from a sample is not known at all


def test_norms_have_the_gradient_zero_at_zero() -> None:
    for order in (1, 2, 3, math.inf):
        x = tg.zeros((3,), requires_grad=True)
        tg.linalg.vector_norm(x, ord=order).backward()
        np.testing.assert_array_equal(x.grad.numpy(), [0, 0, 0])


def test_methods_are_the_functions() -> None:
    x = tg.tensor(numbers("float64", (2, 3)) * 0.3)
    for name in words("abs acos asin asinh atan atanh ceil cos cosh exp expm1 floor isfinite isinf isnan log1p "
                      "reciprocal round sign sin sinh square tan tanh trunc sum mean max min prod var std all any "
                      "count_nonzero argmax argmin sort argsort flip"):
        np.testing.assert_array_equal(getattr(x, name)().numpy(), getattr(xp, name)(x).numpy())
    for name in words("sum mean max min prod var std all any count_nonzero argmax argmin sort argsort flip "
                      "cumulative_sum cumulative_prod"):
        np.testing.assert_array_equal(getattr(x, name)(0).numpy(), getattr(xp, name)(x, axis=0).numpy())
        np.testing.assert_array_equal(getattr(x, name)(axis=-1).numpy(), getattr(xp, name)(x, axis=-1).numpy())
    positive = tg.square(x) + 1.5
    for name in ("log", "log2", "log10", "sqrt", "acosh"):
        np.testing.assert_array_equal(getattr(positive, name)().numpy(), getattr(xp, name)(positive).numpy())
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == (3, 2)
    assert x.permute_dims(1, 0).shape == x.permute_dims((1, 0)).shape == x.moveaxis(0, 1).shape == (3, 2)
    assert x.expand_dims(1).squeeze().shape == x.expand_dims(0).squeeze(0).shape == x.shape
    assert x.flatten().shape == (6,)
    assert x.expand_dims(0).flatten(1).shape == x.expand_dims(0).flatten(-2).shape == (1, 6)
    assert x.broadcast_to(4, 2, 3).shape == (4, 2, 3)
    assert x.tile(2, 2).shape == (4, 6)
    assert len(x.unstack(1)) == 3
    np.testing.assert_array_equal(x.clip(0.0, 0.5).numpy(), np.clip(x.numpy(), 0, 0.5))
    np.testing.assert_array_equal(x.maximum(0.1).minimum(0.5).numpy(), np.clip(x.numpy(), 0.1, 0.5))
    np.testing.assert_array_equal(x.pow(2).numpy(), x.numpy() ** 2)
    np.testing.assert_array_equal(x.take(tg.tensor([1]), 1).numpy(), x.numpy()[:, [1]])
    np.testing.assert_array_equal(x.roll(1, 1).numpy(), np.roll(x.numpy(), 1, 1))
    np.testing.assert_array_equal(x.nonzero()[1].numpy(), x.numpy().nonzero()[1])
    assert x[0, 0].item() in x
    assert 99.0 not in x


def test_names_of_other_libraries_are_translated() -> None:
    x = tg.ones((2, 2))
    ours = {"cumsum": "cumulative_sum", "clamp": "clip", "unsqueeze": "expand_dims", "clone": "copy"}
    for name, here in ours.items():
        with pytest.raises(AttributeError, match=rf"no attribute '{name}'; here it is `{here}`"):
            getattr(x, name)
    with pytest.raises(AttributeError, match=r"no attribute 'nonsense'$"):
        x.nonsense


MISTAKES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: tg.sum(tg.ones((2, 3)), axis=2), r"axis 2 does not exist: the tensor has 2 axes, so axis runs from -2"),
    (lambda: tg.reshape(tg.ones((2, 3)), (4,)), r"\(2, 3\) \(6 elements\) cannot take the shape \(4,\)"),
    (lambda: tg.squeeze(tg.ones((2, 3)), 0), r"axis 0 of shape \(2, 3\) has length 2, not 1"),
    (lambda: tg.broadcast_arrays(tg.ones(2), tg.ones(3)), r"\(2,\), \(3,\) do not broadcast"),
    (lambda: tg.roll(tg.ones((2, 2)), (1, 2), axis=(0,)), r"2 shifts and 1 axes"),
    (lambda: tg.cumulative_sum(tg.ones((2, 2))), r"needs to be told the axis"),
    (lambda: tg.searchsorted(tg.ones((2, 2)), 1.0), r"one axis"),
    (lambda: tg.searchsorted(tg.ones(2), 1.0, side="middle"), r"side is \"left\" or \"right\""),
    (lambda: tg.unstack(tg.tensor(1.0)), r"at least one axis"),
    (lambda: tg.meshgrid(tg.ones(2), tg.ones((2, 2))), r"at most one axis"),
    (lambda: tg.meshgrid(tg.ones(2), indexing="yx"), r"\"xy\" or \"ij\""),
    (lambda: tg.arange(0, 1, 0), r"step of 0"),
    (lambda: tg.zeros(2, device="tpu"), r"no device 'tpu'"),
    (lambda: tg.astype(tg.ones(1), tg.float64, device="tpu"), r"no device 'tpu'"),
    (lambda: tg.tensor([[1, 2], [3]]), r"do not have the same length"),
    (lambda: tg.tensor([[1.0, 2.0], [3.0, tg.tensor(4.0)]]), r"tg.stack"),
    (lambda: tg.tensor([1j]), r"complex128.* is not a supported dtype"),
    (lambda: tg.tensor([1, 2], requires_grad=True), r"floating-point .* not int64"),
    (lambda: tg.linalg.inv(tg.ones((2, 3))), r"square matrices, not 2 by 3"),
    (lambda: tg.linalg.inv(tg.ones((2, 2))), r"inv.*[Ss]ingular"),
    (lambda: tg.linalg.det(tg.ones(3)), r"at least two axes"),
    (lambda: tg.linalg.inv(tg.ones((2, 2), dtype=tg.int64)), r"float32 and float64, not int64"),
    (lambda: tg.linalg.cholesky(-tg.eye(2)), r"cholesky.*positive definite"),
    (lambda: tg.linalg.solve(tg.eye(2), tg.ones((3, 1))), r"needs 2 rows"),
    (lambda: tg.linalg.qr(tg.eye(2), mode="full"), r"\"reduced\" or \"complete\""),
    (lambda: tg.linalg.matrix_norm(tg.eye(2), ord=3), r"ord is one of"),
    (lambda: tg.linalg.cross(tg.ones(2), tg.ones(2)), r"length 3"),
    (lambda: tg.linalg.outer(tg.ones((2, 2)), tg.ones(2)), r"two vectors"),
    (lambda: tg.tensordot(tg.ones(2), tg.ones(3), axes=1), r"differ in length"),
    (lambda: tg.vecdot(tg.ones(2), tg.ones(3)), r"differ in length"),
    (lambda: tg.einsum("ij,jk->ik", tg.ones((2, 3)), tg.ones((2, 3))), r"index 'j' has length 2 in operand 1, but 3"),
    (lambda: tg.einsum("ij->ik", tg.ones((2, 3))), r"must occur once there, and in an operand"),
    (lambda: tg.einsum("ij", tg.ones(2)), r"has 1 axes, but indices 'ij'"),
    (lambda: tg.einsum("i,j", tg.ones(2)), r"is for 2 operands, but got 1"),
    (lambda: tg.einsum("i#", tg.ones((2, 2))), r"'#' is not an index"),
    (lambda: tg.repeat(tg.ones(2), tg.tensor([1.0, 2.0])), r"must be integers"),
    (lambda: tg.any(tg.ones(2), axis=(0, 0)), r"names an axis twice"),
)


@pytest.mark.parametrize(("call", "message"), MISTAKES)
def test_mistakes_are_explained(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(tg.TeachgradError, match=message):
        call()
