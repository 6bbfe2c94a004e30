"""Mistakes that learners make, by puzzle: the hint that is due, and what to change in the solution to make them."""

from __future__ import annotations

Change = tuple[str, str]
GUARD2 = "row < rows && column < columns"
WAIT = "    __syncthreads();\n"

BANK: dict[str, list[tuple[str, list[Change]]]] = {
    "add_ten": [
        ("only-ten", [("a[0] + 10", "10")]),
        ("adds-to-out", [("= a[0] + 10", "+= a[0] + 10")]),
        ("copies", [(" + 10", "")]),
        ("counts-from-one", [("a[0]", "a[1]"), ("out[0]", "out[1]")]),
        ("does-not-compile", [("10;", "10")]),
    ],
    "map_one": [
        ("block-for-thread", [("threadIdx.x", "blockIdx.x")]),
        ("everyone-does-all", [("int i = threadIdx.x;", "for (int i = 0; i < blockDim.x; i++)")]),
        ("same-element", [("threadIdx.x", "blockDim.x - 1")]),
        ("one-thread-only", [("out[i]", "if (i == 0) out[i]")]),
    ],
    "zip_two": [
        ("same-array-twice", [("b[i]", "a[i]")]),
        ("fixed-element", [("b[i]", "b[0]")]),
        ("product", [("a[i] + b[i]", "a[i] * b[i]")]),
        ("same-element", [("threadIdx.x", "0")]),
    ],
    "guard": [
        ("no-guard", [("i < n", "i >= 0")]),
        ("off-by-one", [("i < n", "i <= n")]),
        ("wrong-limit", [("i < n", "i < blockDim.x")]),
        ("backwards", [("i < n", "i > n")]),
    ],
    "map_two": [
        ("swapped", [("threadIdx.y", "threadIdx.?"), ("threadIdx.x", "threadIdx.y"), ("threadIdx.?", "threadIdx.x")]),
        ("wrong-stride", [("row * columns", "row * rows")]),
        ("same-element", [("threadIdx.y", "0"), ("threadIdx.x", "0")]),
        ("one-guard", [(" && column < columns", "")]),
        ("one-guard", [("row < rows && ", "")]),
    ],
    "broadcast": [
        ("swapped", [("a[row] + b[column]", "a[column] + b[row]")]),
        ("transposed", [("row * columns + column", "column * rows + row")]),
        ("no-guard", [(f"if ({GUARD2})", "")]),
    ],
    "blocks": [
        ("thread-only", [("blockIdx.x * blockDim.x + threadIdx.x", "threadIdx.x % blockDim.x")]),
        ("grid-for-block", [("blockDim.x", "gridDim.x")]),
        ("no-multiple", [("blockIdx.x * blockDim.x", "blockIdx.x")]),
        ("no-guard", [("if (i < n)", "")]),
    ],
    "strided": [
        ("no-loop", [("for (int i", "int i"), ("; i < n; i += gridDim.x * blockDim.x)", "; if (n > i)")]),
        ("steps-of-one", [("i += gridDim.x * blockDim.x", "i++")]),
        ("block-stride", [("gridDim.x * ", "")]),
        ("small-steps", [("gridDim.x * blockDim.x", "gridDim.x")]),
        ("no-guard", [("i < n;", "i <= n;")]),
    ],
    "reverse": [
        ("missing-barrier", [(WAIT, "")]),
        ("off-by-one", [("length - 1 - t", "length - t")]),
        ("fixed-length", [("length - 1 - t", "7 - t")]),
        ("not-turned", [("length - 1 - t", "t")]),
        ("no-shared", [("piece[length - 1 - t]", "a[begin + length - 1 - t]")]),
        ("returns-early", [("if (t < length)\n        piece[t]", "if (t >= length) return;\n    piece[t]")]),
        ("no-guard", [("if (t < length)\n        piece[t]", "piece[t]")]),
    ],
    "pool": [
        ("missing-barrier", [(WAIT, "")]),
        ("no-halo", [("i >= 2 ? a[i - 2] : 0", "0")]),
        ("no-halo", [("    if (t < 2)\n        near[t] = i >= 2 ? a[i - 2] : 0;\n", "")]),
        ("too-many-reads", [("near[t] + near[t + 1]", "(i > 1 ? a[i - 2] : 0) + (i > 0 ? a[i - 1] : 0)")]),
        ("no-guard", [("i < n ? a[i] : 0", "a[i]")]),
    ],
    "dot": [
        (
            "racing-sum",
            [("out[0] = part[0];", ";"), ("part[t] = t <", "if (t < n) out[0] += a[t] * b[t];\n    part[t] = t <")],
        ),
        (
            "barrier-in-if",
            [
                (
                    "        __syncthreads();\n        if (t < half)\n            part",
                    "if (t < half) __syncthreads();\n        if (t < half)\n            part",
                )
            ],
        ),
        ("missing-barrier", [("        __syncthreads();\n", "")]),
        ("no-zero", [("part[t] = t < n ? a[t] * b[t] : 0", "if (t < n) part[t] = a[t] * b[t]")]),
        ("sum-of-one", [(" * b[t]", "")]),
        ("stops-early", [("half > 0", "half > 1")]),
    ],
    "warp_sum": [
        ("lanes-left", [("float sum = i < n ? a[i] : 0;", "if (i >= n) return;\n    float sum = a[i];")]),
        ("starts-at-32", [("k = 16", "k = 32"), ("k > 0", "k > 0")]),
        ("starts-at-8", [("k = 16", "k = 8")]),
        ("stops-early", [("k > 0", "k > 1")]),
        ("one-element", [("sum +=", "float other =")]),
        ("every-lane-writes", [("lane == 0 && ", "")]),
        (
            "no-shuffles",
            [
                (
                    "    float sum = i < n ? a[i] : 0;",
                    "    __shared__ float s[64];\n    s[threadIdx.x] = i < n ? a[i] : 0;\n"
                    "    __syncwarp();\n    float sum = 0;\n    for (int j = 0; lane == 0 && j < 32; j++)\n"
                    "        sum += s[threadIdx.x + j];",
                ),
                ("k = 16", "k = 0"),
            ],
        ),
    ],
    "scan": [
        (
            "barrier-in-if",
            [
                (
                    "        __syncthreads();\n        sum[t] += before;",
                    "        if (t >= k) __syncthreads();\n        sum[t] += before;",
                )
            ],
        ),
        (
            "barrier-between",
            [
                (
                    "        float before = t >= k ? sum[t - k] : 0;\n        __syncthreads();\n"
                    "        sum[t] += before;",
                    "        if (t >= k) sum[t] += sum[t - k];",
                )
            ],
        ),
        ("before-the-beginning", [("t >= k ? sum[t - k] : 0", "sum[t - k]")]),
        ("exclusive", [("out[t] = sum[t]", "out[t] = t > 0 ? sum[t - 1] : 0")]),
        ("one-step", [("sum[t - k]", "sum[t - 1]"), ("t >= k", "t >= 1")]),
    ],
    "axis_sum": [
        (
            "barrier-in-if",
            [
                (
                    "        __syncthreads();\n        if (t < half)\n",
                    "        if (t < half) __syncthreads();\n        if (t < half)\n",
                )
            ],
        ),
        ("missing-barrier", [("        __syncthreads();\n", "")]),
        ("row-begins", [("row * columns", "row * 8")]),
        ("other-axis", [("row * columns + column", "column * columns + row")]),
        ("no-loop", [("for (int column = t; column < columns; column += 8)", "int column = t; if (column < columns)")]),
        (
            "whole-matrix",
            [
                ("row * columns + column", "i * columns + column"),
                ("    for (int column = t", "    for (int i = 0; i < rows; i++) for (int column = t"),
            ],
        ),
    ],
    "coalesce": [
        ("missing-barrier", [(WAIT, "")]),
        ("barrier-in-if", [(WAIT, f"    if ({GUARD2}) __syncthreads();\n")]),
        ("edges", [("i < columns && j < rows", "i < rows && j < columns")]),
        ("not-turned", [("tile[threadIdx.x][threadIdx.y]", "tile[threadIdx.y][threadIdx.x]")]),
        (
            "no-tile",
            [
                ("    __shared__ float tile[32][32];\n", ""),
                ("tile[threadIdx.y][threadIdx.x]", "out[column * rows + row]"),
                ("    if (i < columns && j < rows)\n        out[i * rows + j] = tile[threadIdx.x][threadIdx.y];\n", ""),
            ],
        ),
        (
            "still-down-columns",
            [
                (
                    "out[i * rows + j] = tile[threadIdx.x][threadIdx.y]",
                    "out[column * rows + row] = tile[threadIdx.y][threadIdx.x]",
                ),
                ("i < columns && j < rows", GUARD2),
            ],
        ),
        (
            "blocks-not-exchanged",
            [("int i = blockIdx.x", "int i = blockIdx.y"), ("int j = blockIdx.y", "int j = blockIdx.x")],
        ),
    ],
    "banks": [
        ("one-row-more", [("[32][33]", "[33][32]")]),
        ("even-length", [("[32][33]", "[32][34]")]),
        ("too-short", [("[32][33]", "[32][31]")]),
        (
            "no-tile",
            [
                ("    __shared__ float tile[32][33];\n", ""),
                ("tile[threadIdx.y][threadIdx.x]", "out[column * rows + row]"),
                ("    if (i < columns && j < rows)\n        out[i * rows + j] = tile[threadIdx.x][threadIdx.y];\n", ""),
            ],
        ),
        (
            "down-columns",
            [
                (
                    "out[i * rows + j] = tile[threadIdx.x][threadIdx.y]",
                    "out[column * rows + row] = tile[threadIdx.y][threadIdx.x]",
                ),
                ("i < columns && j < rows", GUARD2),
            ],
        ),
        ("conflicts", [("[32][33]", "[32][32 * 1]")]),
        ("missing-barrier", [(WAIT, "")]),
    ],
    "matmul": [
        (
            "barrier-in-if",
            [("        __syncthreads();\n        for", "        if (row < m) __syncthreads();\n        for")],
        ),
        ("no-second-barrier", [("        __syncthreads();\n    }", "    }")]),
        ("no-barrier", [("        __syncthreads();\n", "")]),
        ("edges", [("row < m && start + x < k ? a[row * k + start + x] : 0", "a[row * k + start + x]")]),
        ("too-many-reads", [("as[y][i] *", "a[min(row, m - 1) * k + min(start + i, k - 1)] *")]),
        ("stale-tiles", [("as[y][i] * bs[i][x]", "as[i][y] * bs[i][x]")]),
    ],
    "histogram": [
        ("not-atomic", [("atomicAdd(&counts[x[i]], 1)", "out[x[i]]++"), ("atomicAdd(&out[t], counts[t])", "")]),
        ("not-zeroed", [("    if (t < 8)\n        counts[t] = 0;\n    __syncthreads();\n", "")]),
        ("not-atomic-in-shared", [("atomicAdd(&counts[x[i]], 1)", "counts[x[i]]++")]),
        (
            "missing-barrier",
            [("    __syncthreads();\n    if (t < 8)\n        atomicAdd", "    if (t < 8)\n        atomicAdd")],
        ),
        ("too-many-atomics", [("&counts[x[i]]", "&out[x[i]]"), ("atomicAdd(&out[t], counts[t])", "")]),
    ],
    "softmax": [
        ("not-rescaled", [("s * expf(m - larger)", "s")]),
        ("no-maximum", [("fmaxf(m, v)", "0")]),
        (
            "old-after-new",
            [("float larger = fmaxf(m, v);", "float larger = m;"), ("        m = larger;", "        m = fmaxf(m, v);")],
        ),
        (
            "too-many-reads",
            [
                (
                    "    float m = -__int_as_float(0x7f800000), s = 0;",
                    "    float m = -__int_as_float(0x7f800000), s = 0;\n"
                    "    for (int j = 0; j < columns; j++)\n        m = fmaxf(m, x[j]);",
                )
            ],
        ),
    ],
    "race": [
        (
            "volatile",
            [
                ("    __syncthreads();  // all have read part[0]\n", ""),
                ("__shared__ float", "__shared__ volatile float"),
                ("folded(float*", "folded(volatile float*"),
            ],
        ),
        ("warp-only", [("__syncthreads();  // all", "__syncwarp();  // all")]),
        ("fence", [("__syncthreads();  // all", "__threadfence_block();  // all")]),
        ("barrier-in-if", [("__syncthreads();  // all", "if (t > 0) __syncthreads();  // all")]),
        (
            "barrier-too-late",
            [
                ("    __syncthreads();  // all have read part[0]\n", ""),
                ("fabsf(rest);\n", "fabsf(rest);\n    __syncthreads();\n"),
            ],
        ),
        ("barrier-removed", [("    __syncthreads();\n    return", "    return")]),
        (
            "read-then-write",
            [("    __syncthreads();  // all have read part[0]\n", ""), ("part[t] = a[i];", "part[t] = a[i] ;\n    ;")],
        ),
    ],
}


def mistaken(solution: str, changes: list[Change]) -> str:
    """The solution with a mistake made."""
    for old, new in changes:
        assert old in solution, old
        solution = solution.replace(old, new)
    return solution
