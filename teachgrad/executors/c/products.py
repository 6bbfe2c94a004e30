"""Products of matrices and vectors: small ones as loops, large ones as tiles of our own or by BLAS.

Who makes a large product of matrices is a rule, not a measurement, so that a machine always gets the same source: tiles
where the vectors of the machine are wider than those of the kernels of BLAS, where BLAS cannot take the matrices as
they lie, and where there is none; BLAS otherwise. Measured on one core of an AMD EPYC of family 26 (Zen 5, AVX-512),
where OpenBLAS 0.3 takes its kernels for Haswell (AVX2): 64 x 784 times 784 x 256 in float32, tiles 222 GFlop/s, BLAS
115; 1000 x 1000 times 1000 x 1000, 244 and 128. With AVX2 alone, tiles compiled by gcc reach 117 there, by clang 125,
and BLAS 125. Products with a vector, which use each number of the matrix once, are loops whatever their length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from ...dtypes import C_TYPES
from ...op import Vertex
from .blas import blas
from .compiler import compiler
from .groups import TILE
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
STRIPE = 32
"""Stripes of a divided product are multiples of so many rows or columns, as tiles and the kernels of BLAS are."""

AT_ONCE = 4
"""So many rows are multiplied by a vector at a time."""

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
    turned: bool = False
    """Whether x here is the second operand, and y, transposed, the first."""

    @classmethod
    def of(cls, v: Vertex, views: Views) -> Product:
        """The product that a vertex is."""
        x, y = v.inputs
        a, b = views.of(x).strides, views.of(y).strides
        m, down = (1, 0) if x.ndim == 1 else (x.shape[-2], a[-2])
        n, right = (1, 0) if y.ndim == 1 else (y.shape[-1], b[-1])
        batch = v.shape[:v.ndim - (x.ndim > 1) - (y.ndim > 1)]
        steps = []
        for shape, strides in ((x.shape[:-2], a[:-2]), (y.shape[:-2], b[:-2])):
            moving = [0 if length == 1 else step for length, step in zip(shape, strides, strict=True)]
            steps.append((*[0] * (len(batch) - len(shape)), *moving))
        of_y = b[-1] if y.ndim == 1 else b[-2]
        return cls(m, n, x.shape[-1], (down, a[-1]), (of_y, right), batch,
                   (steps[0], steps[1], contiguous(v.shape)[:len(batch)])).merged().as_row()

    def merged(self) -> Product:
        """The same with the last axes of the batch as more rows, where they share one y and the rows of x go on."""
        m, down, batch, steps = self.m, self.x[0], self.batch, self.batch_steps
        while batch and (batch[-1] == 1 or (steps[1][-1] == 0 and (m == 1 or steps[0][-1] == m * down))):
            if batch[-1] > 1:
                m, down = m * batch[-1], steps[0][-1] if m == 1 else down
            batch, steps = batch[:-1], (steps[0][:-1], steps[1][:-1], steps[2][:-1])
        return replace(self, m=m, x=(down, self.x[1]), batch=batch, batch_steps=steps)

    def as_row(self) -> Product:
        """A matrix times a column, as a row times the transposed matrix: what lies in memory is the same."""
        if self.n > 1 or self.m == 1:
            return self
        first, second, third = self.batch_steps
        return replace(self, m=1, n=self.m, x=self.y[::-1], y=self.x[::-1], batch_steps=(second, first, third),
                       turned=True)

    @property
    def lines_of_vector(self) -> str:
        """For a vector times a matrix, the lines of the matrix that lie side by side in memory: "columns" or "rows"."""
        if self.m > 1 or self.k == 1:
            return ""
        if self.y[0] == 1 or self.n == 1:
            return "columns"
        return "rows" if self.y[1] == 1 and self.k < 2 * TILE else ""

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

    def made_by(self, exact: bool) -> str:
        """Who makes it, a key of `MAKERS`. Where bits count (`exact`), BLAS is asked first: NumPy asks it, too."""
        if self.lines_of_vector == "columns":
            return "columns"
        if self.is_small:
            return "loops"
        if self.lines_of_vector:
            return "rows"
        known, how = blas(), compiler()
        if known is None or how is None or not self.lies_well or (how.vector > known.vector and not exact):
            return "tiles"
        return "blas"

    @property
    def lies_well(self) -> bool:
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


def body(v: Vertex, product: Product, maker: str, team: Team) -> list[str]:
    """The statements of the function of a product, whose arrays are x, y and z, as `maker` of `made_by` makes it."""
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
    inside = MAKERS[maker](v, product, places, alone)
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
        left = f"{given}[{index((product.x[0], 'i'), (product.x[1], 'l'))}]"
        right = f"{source}[{index((product.y[0], 'l'), (product.y[1], 'j'))}]"
        return sums_in_registers(kind, product, left, right, target)
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


def sums_in_registers(kind: str, product: Product, left: str, right: str, target: str) -> list[str]:
    """All of z summed at once, as vectors along its rows; or along its columns, if these are longer and x lies so."""
    m, n = product.m, product.n
    upright = n < m and product.x[0] == 1
    rows, row, columns, column = (n, "j", m, "i") if upright else (m, "i", n, "j")
    single, vector = (right, left) if upright else (left, right)
    at = index((columns, row), (1, column))
    lines = [f"{kind} sum[{m * n}] = {{0}};", f"for (int64_t l = 0; l < {product.k}; l++) {{",
             f"    #pragma GCC unroll {rows}", f"    for (int64_t {row} = 0; {row} < {rows}; {row}++) {{",
             f"        const {kind} factor = {single};", "        #pragma omp simd",
             f"        for (int64_t {column} = 0; {column} < {columns}; {column}++)",
             f"            sum[{at}] += factor * {vector};", "    }", "}"]
    if not upright:
        return [*lines, f"for (int64_t i = 0; i < {m * n}; i++)", f"    {target}[i] = sum[i];"]
    return [*lines, f"for (int64_t i = 0; i < {m}; i++)", f"    for (int64_t j = 0; j < {n}; j++)",
            f"        {target}[{index((n, 'i'), (1, 'j'))}] = sum[{at}];"]


def index(*terms: tuple[int, str]) -> str:
    """The index of an element."""
    return " + ".join(name if step == 1 else f"{step} * {name}" for step, name in terms if step) or "0"


def by_columns(v: Vertex, product: Product, places: list[str], team: Team) -> list[str]:
    """A row times a matrix whose columns lie side by side: four sums at a time, so that none waits for itself."""
    whole = product.n // AT_ONCE * AT_ONCE
    lines = []
    if whole:
        lines += [*team.parallel_for(whole * product.k / PER_STEP),
                  f"for (int64_t j = 0; j < {whole}; j += {AT_ONCE}) {{",
                  *some_columns(v, product, places, AT_ONCE), "}"]
    if whole < product.n:
        lines += [f"for (int64_t j = {whole}; j < {product.n}; j++) {{", *some_columns(v, product, places, 1), "}"]
    return lines


def some_columns(v: Vertex, product: Product, places: list[str], count: int) -> list[str]:
    """The sums of some columns from j on. Long ones are made of parts, as all long sums are."""
    kind, k, (down, right) = C_TYPES[v.dtype], product.k, product.y
    names = [f"sum_{c}" for c in range(count)] if count > 1 else ["sum"]
    first, last = ("start", "stop") if k >= 2 * TILE else ("0", str(k))
    at = f"{index((down, 'l'), (right, 'j'))}{places[1]}"
    lines = [f"{kind} {', '.join(f'{name} = 0' for name in names)};",
             f"#pragma omp simd reduction(+:{', '.join(names)})",
             f"for (int64_t l = {first}; l < {last}; l++) {{",
             f"    const {kind} factor = x[{index((product.x[1], 'l'))}{places[0]}];",
             *(f"    {name} += factor * y[{at}{f' + {right * c}' if c else ''}];" for c, name in enumerate(names)), "}"]
    totals = names
    if k >= 2 * TILE:
        totals = [name.replace("sum", "total") for name in names]
        lines = [f"{kind} {', '.join(f'{name} = 0' for name in totals)};",
                 f"for (int64_t start = 0; start < {k}; start += {TILE}) {{",
                 f"    const int64_t stop = start + {TILE} < {k} ? start + {TILE} : {k};",
                 *(f"    {line}" for line in lines),
                 *(f"    {total} += {name};" for total, name in zip(totals, names, strict=True)), "}"]
    lines += [f"z[j{places[2]}{f' + {c}' if c else ''}] = {total};" for c, total in enumerate(totals)]
    return [f"    {line}" for line in lines]


def by_rows(v: Vertex, product: Product, places: list[str], team: Team) -> list[str]:
    """A row times a matrix whose rows lie side by side: z as a sum of rows, four at a time, so that z is read less."""
    kind, n, k, at = C_TYPES[v.dtype], product.n, product.k, f"z[j{places[2]}]"
    whole = k // AT_ONCE * AT_ONCE
    lines = [f"for (int64_t j = 0; j < {n}; j++)", f"    {at} = 0;"]
    for first, last, count in ((0, whole, AT_ONCE), (whole, k, 1)):
        if first < last:
            names = [f"factor_{r}" for r in range(count)] if count > 1 else ["factor"]
            lines += [f"for (int64_t l = {first}; l < {last}; l{f' += {count}' if count > 1 else '++'}) {{",
                      *(f"    const {kind} {name} = x[{index((product.x[1], 'l'))}{places[0]}"
                        f"{f' + {product.x[1] * r}' if r else ''}];" for r, name in enumerate(names)),
                      "    #pragma omp simd", f"    for (int64_t j = 0; j < {n}; j++)"]
            terms = [f"{name} * y[{index((product.y[0], 'l'), (1, 'j'))}{places[1]}"
                     f"{f' + {product.y[0] * r}' if r else ''}]" for r, name in enumerate(names)]
            lines += [f"        {at} += {terms[0]}", *(f"            + {term}" for term in terms[1:])]
            lines[-1] += ";"
            lines.append("}")
    return lines


def tiled(v: Vertex, product: Product, places: list[str], team: Team) -> list[str]:
    """A product by the functions of `tiles`."""
    (x_down, x_right), (y_down, y_right) = product.x, product.y
    lines, rows, columns, places = stripes(product, places, team)
    indent = "    " if lines else ""
    return [*lines, f"{indent}product_{C_TYPES[v.dtype]}({rows}, {columns}, {product.k}, x{places[0]}, {x_down}, "
                    f"{x_right}, y{places[1]}, {y_down}, {y_right}, z{places[2]}, {product.n}, false);"]


def large(v: Vertex, product: Product, places: list[str], team: Team) -> list[str]:
    """A product by BLAS, in row-major order (101); 111 is a matrix as it is, 112 its transpose."""
    x, y = lying(product.x, product.m, product.k), lying(product.y, product.k, product.n)
    assert x is not None
    assert y is not None
    one, zero = ("1.0f", "0.0f") if v.dtype.itemsize == 4 else ("1.0", "0.0")
    lines, rows, columns, places = stripes(product, places, team)
    indent = "    " if lines else ""
    return [*lines, f"{indent}gemm(101, {112 if x[0] else 111}, {112 if y[0] else 111}, {rows}, {columns}, "
                    f"{product.k},",
            f"{indent}     {one}, x{places[0]}, {x[1]}, y{places[1]}, {y[1]}, {zero}, z{places[2]}, {product.n});"]


def stripes(product: Product, places: list[str], team: Team) -> tuple[list[str], str, str, list[str]]:
    """A product divided among threads, each of which makes some of the rows of z, or some of its columns: the loop
    over these parts, none if one thread makes it all; the rows and columns of a part, and where it begins."""
    m, n = product.m, product.n
    length = max(m, n)
    wide = -(-length // (team.size * STRIPE)) * STRIPE
    parts = -(-length // wide)
    lines = team.parallel_for(m * n * product.k / PER_STEP) if parts > 1 else []
    if not lines:
        return [], str(m), str(n), places
    lines.append(f"for (int64_t part = 0; part < {parts}; part++)")
    size = f"part < {parts - 1} ? {wide} : {length - wide * (parts - 1)}" if length % wide else str(wide)
    x, y, z = places
    if m >= n:
        return lines, size, str(n), [f"{x} + {wide * product.x[0]} * part", y, f"{z} + {wide * n} * part"]
    return lines, str(m), size, [x, f"{y} + {wide * product.y[1]} * part", f"{z} + {wide} * part"]


MAKERS = {"columns": by_columns, "rows": by_rows, "loops": small, "tiles": tiled, "blas": large}
"""How the text of a product is made."""
