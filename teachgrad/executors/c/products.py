"""Products of matrices: small ones as loops, large ones by BLAS."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ...dtypes import C_TYPES
from ...op import Vertex
from .team import Team
from .views import Views, contiguous

SMALL = 1 << 13
"""Up to so many multiplications a product is written as loops, or eight times as many where registers hold one of the
matrices: a call of BLAS would take longer."""
REGISTERS = 512
"""A second factor of up to so many numbers is copied first: a compiler then keeps it in vector registers."""
LONGEST_ROW = 256
"""Up to so many columns a row of the result is kept in registers and the nearest cache while it is summed."""

PER_STEP = 8
"""So many multiplications take about as long as one step of a loop that reads and writes memory."""
STRIPE = 16
"""Stripes of a divided product are multiples of so many rows or columns, as the kernels of BLAS are."""

BATCHES = "bcdefgh"
"""The names of the loops over a batch of matrices, and so the number of them that there can be."""


@dataclass(frozen=True)
class Product:
    """z = x @ y for a batch of matrices: x (m, k), y (k, n), and how they lie."""

    m: int
    n: int
    k: int
    x: tuple[int, int]
    y: tuple[int, int]
    batch: tuple[int, ...]
    batch_steps: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    @classmethod
    def of(cls, v: Vertex, views: Views) -> Product:
        """The product that a vertex is."""
        x, y = v.inputs
        accesses = [views.of(x), views.of(y)]
        batch = v.shape[:-2]
        steps = []
        for value, access in zip((x, y), accesses, strict=True):
            lead = [0] * (len(batch) - value.ndim + 2)
            lead += [0 if n == 1 else s for n, s in zip(value.shape[:-2], access.strides[:-2], strict=True)]
            steps.append(tuple(lead))
        steps.append(contiguous(v.shape)[:-2])
        a, b = (access.strides[-2:] for access in accesses)
        return cls(v.shape[-2], v.shape[-1], x.shape[-1], (a[0], a[1]), (b[0], b[1]), batch,
                   (steps[0], steps[1], steps[2]))

    @property
    def is_small(self) -> bool:
        """Whether it is written as loops."""
        size = self.m * self.n * self.k
        if self.sums_in_registers or self.k * self.n <= REGISTERS:
            return size <= 8 * SMALL
        return size <= SMALL and self.n <= LONGEST_ROW

    @property
    def sums_in_registers(self) -> bool:
        """Whether all of z can be summed in vector registers."""
        return self.m * self.n <= REGISTERS and self.m <= 32 and self.k >= self.m

    @property
    def by_blas(self) -> bool:
        """Whether BLAS can be given the matrices as they lie."""
        return lying(self.x, self.m, self.k) is not None and lying(self.y, self.k, self.n) is not None


def lying(steps: tuple[int, int], rows: int, columns: int) -> tuple[bool, int] | None:
    """For BLAS: whether a matrix lies transposed, and the distance of its lines; None if it lies otherwise."""
    down, right = steps
    if (right == 1 or columns == 1) and (down >= max(1, columns) or rows == 1):
        return False, max(down if rows > 1 else columns, columns, 1)
    if (down == 1 or rows == 1) and (right >= max(1, rows) or columns == 1):
        return True, max(right if columns > 1 else rows, rows, 1)
    return None


def body(v: Vertex, product: Product, team: Team) -> list[str]:
    """The statements of the function of a product, whose arrays are x, y and z."""
    many = [n for n in product.batch if n > 1]
    lines: list[str] = []
    if many:  # the matrices are shared out, and each is multiplied by one thread
        work = prod(many) * product.m * product.n * product.k / PER_STEP
        lines = [f"    {line}" for line in team.parallel_for(work, f"collapse({len(many)})" if many[1:] else "")]
    alone = Team() if lines else team
    depth = 1
    places = ["", "", ""]
    for number, n in enumerate(product.batch):
        if n > 1:
            name = BATCHES[number]
            lines.append("    " * depth + f"for (int64_t {name} = 0; {name} < {n}; {name}++) {{")
            depth += 1
            for k, steps in enumerate(product.batch_steps):
                places[k] += f" + {steps[number]} * {name}" if steps[number] else ""
    inside = small(v, product, places, alone) if product.is_small else large(v, product, places, alone)
    lines += ["    " * depth + line for line in inside]
    while depth > 1:
        depth -= 1
        lines.append("    " * depth + "}")
    return lines


def small(v: Vertex, product: Product, places: list[str], team: Team) -> list[str]:
    """A product as loops: z as a sum of columns of x times rows of y, or each row of z as a sum of rows of y."""
    kind = C_TYPES[v.dtype]
    m, n, k = product.m, product.n, product.k
    first = f"x{places[0]}".strip()
    lines = []
    source = f"(y{places[1]})" if places[1] else "y"
    given = f"({first})" if places[0] else "x"
    target = f"(z{places[2]})" if places[2] else "z"
    if product.sums_in_registers:
        return [f"{kind} sum[{m * n}] = {{0}};", f"for (int64_t l = 0; l < {k}; l++) {{", f"    #pragma GCC unroll {m}",
                f"    for (int64_t i = 0; i < {m}; i++) {{",
                f"        const {kind} factor = {given}[{index((product.x[0], 'i'), (product.x[1], 'l'))}];",
                "        #pragma omp simd", f"        for (int64_t j = 0; j < {n}; j++)",
                f"            sum[{index((n, 'i'), (1, 'j'))}] += factor * "
                f"{source}[{index((product.y[0], 'l'), (product.y[1], 'j'))}];", "    }", "}",
                f"for (int64_t i = 0; i < {m * n}; i++)", f"    {target}[i] = sum[i];"]
    if n > 1 and (product.y[1] != 1 or k * n <= REGISTERS):
        lines += [f"{kind} turned[{k * n}];", f"for (int64_t l = 0; l < {k}; l++)",
                  f"    for (int64_t j = 0; j < {n}; j++)",
                  f"        turned[{n} * l + j] = {source}[{index((product.y[0], 'l'), (product.y[1], 'j'))}];"]
        source, down = "turned", n
    else:
        down = product.y[0]
    return [*lines, *team.parallel_for(m * n * k / PER_STEP),
            f"for (int64_t i = 0; i < {m}; i++) {{", f"    {kind} row[{n}] = {{0}};",
            f"    for (int64_t l = 0; l < {k}; l++) {{",
            f"        const {kind} factor = {given}[{index((product.x[0], 'i'), (product.x[1], 'l'))}];",
            "        #pragma omp simd", f"        for (int64_t j = 0; j < {n}; j++)",
            f"            row[j] += factor * {source}[{index((down, 'l'), (1, 'j'))}];", "    }",
            "    #pragma omp simd", f"    for (int64_t j = 0; j < {n}; j++)",
            f"        {target}[{index((n, 'i'), (1, 'j'))}] = row[j];", "}"]


def index(*terms: tuple[int, str]) -> str:
    """The index of an element."""
    return " + ".join(name if step == 1 else f"{step} * {name}" for step, name in terms if step) or "0"


def large(v: Vertex, product: Product, places: list[str], team: Team) -> list[str]:
    """A product by BLAS, in row-major order (101); 111 is a matrix as it is, 112 its transpose.

    Where it is divided, each thread calls BLAS for a stripe of z: some of its rows, or some of its columns.
    """
    x, y = lying(product.x, product.m, product.k), lying(product.y, product.k, product.n)
    assert x is not None
    assert y is not None
    m, n, k = product.m, product.n, product.k
    one, zero = ("1.0f", "0.0f") if v.dtype.itemsize == 4 else ("1.0", "0.0")
    rows, columns, place_x, place_y, place_z = str(m), str(n), *places
    length = max(m, n)
    wide = -(-length // (team.size * STRIPE)) * STRIPE
    parts = -(-length // wide)
    lines = team.parallel_for(m * n * k / PER_STEP) if parts > 1 else []
    if lines:
        lines.append(f"for (int64_t part = 0; part < {parts}; part++)")
        size = f"part < {parts - 1} ? {wide} : {length - wide * (parts - 1)}" if length % wide else str(wide)
        if m >= n:
            rows = size
            place_x, place_z = f"{place_x} + {wide if x[0] else wide * x[1]} * part", f"{place_z} + {wide * n} * part"
        else:
            columns = size
            place_y, place_z = f"{place_y} + {wide * y[1] if y[0] else wide} * part", f"{place_z} + {wide} * part"
    indent = "    " if lines else ""
    return [*lines,
            f"{indent}gemm(101, {112 if x[0] else 111}, {112 if y[0] else 111}, {rows}, {columns}, {k},",
            f"{indent}     {one}, x{place_x}, {x[1]}, y{place_y}, {y[1]}, {zero}, z{place_z}, {n});"]
