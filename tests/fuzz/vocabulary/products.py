"""Rows of products: matrices of all ranks, einsum, tensordot, linear algebra."""

from __future__ import annotations

from ..drawing import Draw, Unfit, row


@row(7)
def matmul(d: Draw) -> None:
    """Vectors, matrices and stacks of them, which broadcast."""
    x = d.value("fi" if d.chance(0.04) else "f", -30, 30, rank=(1, 4))
    if x.dtype in ("uint8", "int8", "int16"):
        raise Unfit
    inner = x.shape[-1]

    def fits(v: object) -> bool:
        shape = v.shape  # type: ignore[attr-defined]
        if v.dtype != x.dtype or len(shape) not in (1, 2):  # type: ignore[attr-defined]
            return len(shape) == x.rank > 2 and shape[:-2] == x.shape[:-2] and shape[-2] == inner \
                and v.dtype == x.dtype  # type: ignore[attr-defined]
        return bool(shape[-2 if len(shape) == 2 else -1] == inner)

    y = d.find(fits) if d.chance(0.5) else None
    if y is None or (y.kind == "f" and not y.within(-30, 30)):
        shape = d.one(((inner,), (inner, d.length()), (inner, d.length()), (*x.shape[:-2], inner, d.length()),
                       (1, inner, 2), (2, inner, 3)))
        if x.rank > 2 and len(shape) > 2 and shape[0] == 2 and x.shape[-3] not in (1, 2):
            raise Unfit
        y = d.new(shape, x.kind, dtype=x.dtype)
    first, second = x, y
    if d.chance(0.15) and x.rank == y.rank == 2 and x.shape[0] == y.shape[1]:
        first, second = y, x
    if d.chance(0.3):
        text = f"{first} @ {second}"
        d.add(text, text, text)
    else:
        d.add(f"tg.matmul({first}, {second})", f"torch.matmul({first}, {second})", f"jnp.matmul({first}, {second})")


@row(2)
def matmul_turned(d: Draw) -> None:
    """Products with a transposed side, and of a matrix with itself."""
    x = d.value("f", -30, 30, rank=(2, 4))
    text = d.one((f"{x} @ {x}.mT", f"{x}.mT @ {x}", f"({x} * 2.0) @ {x}.mT", f"({x}.mT @ ({x} * 0.5)).mT"))
    d.add(text, text, text)


@row(2)
def linear(d: Draw) -> None:
    x = d.value("f", -30, 30, rank=(1, 4))
    out = d.length()
    w = d.new((out, x.shape[-1]), "f", dtype=x.dtype)
    b = f", {d.new((out,), 'f', dtype=x.dtype)}" if d.chance(0.6) else ""
    d.add(f"F.linear({x}, {w}{b})", f"TF.linear({x}, {w}{b})", f"{x} @ {w}.mT" + (f" + {b[2:]}" if b else ""))


@row(1)
def bilinear(d: Draw) -> None:
    x = d.value("f", -10, 10, rank=(2, 3), fits=lambda v: 0 not in v.shape and v.shape[-1] <= 5)
    y = d.new((*x.shape[:-1], 3), "f", dtype=x.dtype)
    w = d.new((2, x.shape[-1], 3), "f", dtype=x.dtype)
    d.add(f"F.bilinear({x}, {y}, {w})", f"TF.bilinear({x}, {y}, {w})")


LETTERS = "abcd"


@row(4)
def einsum(d: Draw) -> None:
    """Random subscripts over one to three operands, whose letters have the lengths of the first operand's axes."""
    x = d.value("f", -10, 10, rank=(1, 3))
    first = "".join(LETTERS[k] for k in range(x.rank))
    lengths = dict(zip(first, x.shape, strict=True))
    terms, operands = [first], [x]
    for _ in range(int(d.rng.choice(3, p=(.25, .6, .15)))):
        letters = [letter for letter in first if d.chance(0.6)]
        if d.chance(0.6):
            extra = "xyz"[len(terms)]
            lengths[extra] = d.whole(1, 3)
            letters.insert(d.whole(0, len(letters)), extra)
        d.rng.shuffle(letters)
        terms.append("".join(letters))
        operands.append(d.new(tuple(lengths[k] for k in letters), "f", dtype=x.dtype))
    known = sorted({k for term in terms for k in term})
    out = [k for k in known if d.chance(0.5)]
    d.rng.shuffle(out)
    size = 1
    for k in out:
        size *= lengths[k]
    if size > 240:
        raise Unfit
    subscripts = f"{','.join(terms)}->{''.join(out)}"
    names = ", ".join(map(str, operands))
    text = f'einsum("{subscripts}", {names})'
    d.add(f"tg.{text}", f"torch.{text}", f"jnp.{text}")


@row(1)
def tensordot(d: Draw) -> None:
    x = d.value("f", -20, 20, rank=(1, 3))
    n = d.whole(0 if x.array.size < 20 else 1, min(2, x.rank))
    y = d.new((*x.shape[x.rank - n:], d.whole(1, 3)), "f", dtype=x.dtype)
    d.add(f"tg.tensordot({x}, {y}, axes={n})", f"torch.tensordot({x}, {y}, {n})", f"jnp.tensordot({x}, {y}, {n})")


@row(1)
def outer_and_vecdot(d: Draw) -> None:
    if d.chance(0.5):
        x, y = d.value("f", -50, 50, rank=(1, 1)), d.value("f", -50, 50, rank=(1, 1))
        if x.dtype != y.dtype:
            raise Unfit
        d.add(f"tg.outer({x}, {y})", f"torch.outer({x}, {y})", f"jnp.outer({x}, {y})")
        return
    x = d.value("f", -50, 50, rank=(1, 3))
    y = d.value("f", -50, 50, shape=x.shape, fits=lambda v: v.dtype == x.dtype)
    d.add(f"tg.vecdot({x}, {y})", f"torch.linalg.vecdot({x}, {y})", f"jnp.vecdot({x}, {y})")


@row(1)
def linear_algebra(d: Draw) -> None:
    """Of a matrix that is far from singular: x xᵀ + n I."""
    x = d.value("f", -2, 2, rank=(2, 3), fits=lambda v: 1 <= v.shape[-2] <= 4 and 0 not in v.shape)
    n = x.shape[-2]
    kind = "float32" if x.dtype == "float32" else "float64"
    ours = f"({x} @ {x}.mT + {n}.0 * tg.eye({n}, dtype=tg.{kind}))"
    torch = f"({x} @ {x}.mT + {n}.0 * torch.eye({n}, dtype=torch.{kind}))"
    jax = f"({x} @ {x}.mT + {n}.0 * jnp.eye({n}, dtype=jnp.{kind}))"
    name = d.one(("inv", "det", "cholesky", "slogdet"))
    end = "[1]" if name == "slogdet" else ""
    d.add(f"tg.linalg.{name}({ours}){end}", f"torch.linalg.{name}({torch}){end}", f"jnp.linalg.{name}({jax}){end}")


@row(1)
def solve(d: Draw) -> None:
    x = d.value("f", -1, 1, rank=(2, 2), fits=lambda v: 1 <= v.shape[0] <= 4 and 0 not in v.shape)
    n = x.shape[0]
    b = d.new((n, 2), "f", dtype=x.dtype)
    texts = [f"{lib}.linalg.solve({x} @ {x}.mT + {n}.0 * {lib}.eye({n}, dtype={lib}.{x.dtype}), {b})"
             for lib in ("tg", "torch", "jnp")]
    d.add(*texts)


@row(1)
def cross(d: Draw) -> None:
    x = d.value("f", -50, 50, rank=(1, 3), fits=lambda v: v.shape[-1] == 3)
    y = d.value("f", -50, 50, shape=x.shape, fits=lambda v: v.dtype == x.dtype)
    d.add(f"tg.linalg.cross({x}, {y})", f"torch.linalg.cross({x}, {y})", f"jnp.cross({x}, {y})")
