"""A compilation written by hand, that of the program in `runs`: two passes that rewrite it, and C for the result."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from teachgrad.recording.accounts import Account, Machine, Miss, Moment, Node, Piece, Rewriting, encode

SOURCE = """\
/* train: 9 ops in 4 kernels. */

/* z = matmul(x, w1) */
static void k1_matmul(const double *x, const double *w1, double *z_out)
{
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 8; j++) {
            double z = 0;
            for (int l = 0; l < 2; l++)
                z += x[2 * i + l] * w1[8 * l + j];
            z_out[8 * i + j] = z;
        }
}

static void k2_relu(const double *z, double *h_out)
{
    for (int i = 0; i < 32; i++) {
        const double h = z[i] < 0 ? 0 : z[i];  // net.py:4
        h_out[i] = h;
    }
}

static void k3_sum_to_multiply(const double *y, const double *t, double *gy_out, double *loss_out)
{
    double loss = 0;
    for (int i = 0; i < 8; i++) {
        loss += y[i];
        const double gy = y[i] * t[i];
        gy_out[i] = gy;
    }
    loss_out[0] = loss;
}
"""
EXACT = "every bit where both are finite, but for the sign of zero"


def node(id: int, op: str, inputs: tuple[int, ...], shape: tuple[int, ...], label: str = "", site: int | None = 0,
         kind: str = "op", name: str = "", view: bool = False, tracked: bool = False) -> Node:  # fmt: skip
    size = 8
    for n in shape:
        size *= n
    return Node(id, kind, op, name, label, inputs, "float64", shape, size, view, tracked, site, "", "")


NODES = (
    node(1, "", (), (4, 2), "x", None, "input", "x"),
    node(8, "", (), (4, 2), "t", None, "input", "t"),
    node(2, "", (), (2, 8), "w1", None, "cell", "fc1.weight"),
    node(3, "", (), (8, 2), "w2", None, "cell", "fc2.weight"),
    node(4, "matmul", (1, 2), (4, 8), "z", tracked=True),
    node(5, "relu", (4,), (4, 8), "h", 1, tracked=True),
    node(20, "copy", (5,), (4, 8), site=1),
    node(6, "matmul", (20, 3), (4, 2), "y", 2, tracked=True),
    node(7, "sum", (6,), (), "loss", 3, tracked=True),
    node(9, "multiply", (6, 8), (4, 2), "gy", 3),
    node(23, "permute_dims", (3,), (2, 8), site=3, view=True),
    node(24, "matmul", (9, 23), (4, 8), site=3),
    node(10, "matmul_nt", (9, 3), (4, 8), "gh", 3),
    node(11, "matmul_tn", (20, 9), (8, 2), "g2", 3),
    node(25, "relu", (4,), (4, 8), site=3),
    node(12, "relu_gradient", (24, 25), (4, 8), "gz", 3),
    node(13, "matmul_tn", (1, 12), (2, 8), "g1", 3),
)
RECORDED = (4, 5, 20, 6, 7, 9, 23, 24, 11, 25, 12, 13)
LOWERED = (4, 5, 20, 6, 7, 9, 10, 11, 25, 12, 13)
FINAL = (4, 5, 6, 7, 9, 10, 11, 12, 13)
RESULTS = (7, 13, 11)
LONG = "the sum of [bold]everything[/] and 数 that is used elsewhere too, so kernels +1"


def account(sites: tuple[int, ...] = (1, 2, 3, 4), wrong: bool = False) -> Account:
    """The account; its sites are those of `runs.program`, in their order."""
    moments = (Moment("recorded", RECORDED, RESULTS), Moment("lower", LOWERED, RESULTS),
               Moment("merge", FINAL, RESULTS), Moment("prune", FINAL, RESULTS))  # fmt: skip
    rewrites = (
        Rewriting(0, "transposed_products", "lower.py:29", 24, 10, (10,), (24, 23), 3, -1, 0, 0, EXACT, "", 0.0, ""),
        Rewriting(1, "drop_copy", "exact.py:48", 20, 5, (), (20,), 1, -1, -1, -512, EXACT, "", 0.0, ""),
        Rewriting(1, "same_as_before", "exact.py:100", 25, 5, (), (25,), 3, -1, -1, -512, "2 eps", "where x > 0",
                  None if wrong else 1.5e-7, "wrong: it made 1.0 into 2.0, more than its bound" if wrong else ""),
    )  # fmt: skip
    misses = (
        Miss("lower", "sum_over_rows", "sum(y)", 3, "its axis is the last one"),
        Miss("merge", "drop_copy", "copy(\\x1b[2J)", 1, LONG),
    )
    pieces = (
        Piece("k1_matmul", "C", (4,), 3, 13, 192, 256, 128, "float64", 2e-6),
        Piece("k2_relu", "C", (5,), 15, 21, 256, 256, 32, "float64", 1e-6),
        Piece("matmul", "NumPy", (6,), 0, 0, 384, 64, 128, "float64", 4e-6),
        Piece("k3_sum_to_multiply", "C", (7, 9), 23, 32, 128, 72, 16, "float64", None),
        Piece("matmul_nt", "NumPy", (10,), 0, 0, 192, 256, 128, "float64", None),
        Piece("matmul_tn", "NumPy", (11,), 0, 0, 320, 128, 128, "float64", None),
        Piece("relu_gradient", "NumPy", (12,), 0, 0, 512, 256, 32, "float64", None),
        Piece("matmul_tn", "NumPy", (13,), 0, 0, 320, 128, 128, "float64", None),
    )
    vertices = tuple((i, i) for i in (1, 8, 2, 3, *FINAL))
    return Account("train", "O3", "c", "C", sites, NODES, moments, rewrites, misses, vertices, SOURCE, pieces,
                   Machine(1e9, 4e9, 2e9))  # fmt: skip


def add(path: Path, *accounts: Account) -> None:
    """Put accounts into a recording, as if the program had been recorded from the start."""
    with sqlite3.connect(path) as connection:
        for told in accounts:
            text = encode(told, lambda site: site)
            connection.execute("INSERT INTO program (step, row, account) VALUES (0, 0, ?)", (text,))
    connection.close()
