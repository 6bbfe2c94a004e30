"""Attention without a table of weights: one block of queries and one of keys at a time, forward and backward.

The queries of a block lie side by side in vector registers, so maximum and sum over the keys are elementwise. Keys that
a causal mask hides from the whole block are not looked at.
Sources: M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax" (2018); T. Dao et al.,
"FlashAttention: fast and memory-efficient exact attention with IO-awareness" (2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from ...dtypes import C_TYPES
from ...op import Vertex
from ...ops.online_attention import online_attention, online_attention_gradient
from .products import BATCHES, PER_STEP
from .spelling import in_type
from .team import Team
from .views import Views, contiguous

LANES = 16
"""So many queries at a time."""
KEYS = 64
"""So many keys at a time: the weights of a block stay in the nearest cache."""
WIDEST = 1024
"""Up to so many features of a head; the blocks lie on the stack."""

PRODUCT = """\
/* z += a x for a matrix a of `rows` rows, and x and z whose rows are {lanes} numbers side by side. */
static inline __attribute__((always_inline)) void add_blocks_{kind}(
    {kind} (*restrict z)[{lanes}], int rows, const {kind} *restrict a, int64_t down, int64_t right,
    {kind} (*restrict x)[{lanes}], int64_t length)
{{
    int i = 0;
    for (; i + 8 <= rows; i += 8) {{
        {kind} sum[8][{lanes}] = {{{{0}}}};
        for (int64_t l = 0; l < length; l++) {{
            #pragma GCC unroll 8
            for (int64_t r = 0; r < 8; r++)
                #pragma omp simd
                for (int64_t o = 0; o < {lanes}; o++)
                    sum[r][o] += a[down * (i + r) + right * l] * x[l][o];
        }}
        for (int64_t r = 0; r < 8; r++)
            #pragma omp simd
            for (int64_t o = 0; o < {lanes}; o++)
                z[i + r][o] += sum[r][o];
    }}
    for (; i < rows; i++)
        for (int64_t l = 0; l < length; l++)
            #pragma omp simd
            for (int64_t o = 0; o < {lanes}; o++)
                z[i][o] += a[down * i + right * l] * x[l][o];
}}
"""

FORWARD = """\
for (int64_t first = 0; first < {T}; first += {lanes}) {{
    const int64_t rows = {T} - first < {lanes} ? {T} - first : {lanes};
    {kind} qs[{d}][{lanes}] = {{{{0}}}}, sums[{e}][{lanes}] = {{{{0}}}}, top[{lanes}], total[{lanes}];
    for (int64_t o = 0; o < {lanes}; o++) {{
        top[o] = -INFINITY;
        total[o] = 0;
    }}
    for (int64_t o = 0; o < rows; o++)
        for (int64_t f = 0; f < {d}; f++)
            qs[f][o] = {q};
    const int64_t seen = {seen};
    for (int64_t start = 0; start < seen; start += {keys}) {{
        const int n = seen - start < {keys} ? (int)(seen - start) : {keys};
        {kind} s[{keys}][{lanes}] = {{{{0}}}}, shift[{lanes}], scale[{lanes}];
        add_blocks_{kind}(s, n, k{k}, {k_down}, {k_right}, qs, {d});
{masked}        for (int64_t o = 0; o < {lanes}; o++)
            scale[o] = top[o];
        for (int64_t j = 0; j < n; j++)
            #pragma omp simd
            for (int64_t o = 0; o < {lanes}; o++)
                top[o] = s[j][o] > top[o] || s[j][o] != s[j][o] ? s[j][o] : top[o];
        #pragma omp simd
        for (int64_t o = 0; o < {lanes}; o++) {{  // what is summed so far was shifted by an older maximum
            shift[o] = top[o] == -INFINITY ? 0 : top[o];
            scale[o] = exp(scale[o] - shift[o]);
            total[o] *= scale[o];
        }}
        for (int64_t j = 0; j < n; j++)
            #pragma omp simd
            for (int64_t o = 0; o < {lanes}; o++) {{
                s[j][o] = exp(s[j][o] - shift[o]);
                total[o] += s[j][o];
            }}
        for (int64_t f = 0; f < {e}; f++)
            #pragma omp simd
            for (int64_t o = 0; o < {lanes}; o++)
                sums[f][o] *= scale[o];
        add_blocks_{kind}(sums, {e}, v{v}, {v_right}, {v_down}, s, n);
    }}
    for (int64_t o = 0; o < rows; o++) {{
{blind}        for (int64_t f = 0; f < {e}; f++)
            z[{z} + {e} * (first + o) + f] = sums[f][o] / total[o];
{kept}    }}
}}
"""

BACKWARD = """\
{zeros}for (int64_t first = 0; first < {T}; first += {lanes}) {{
    const int64_t rows = {T} - first < {lanes} ? {T} - first : {lanes};
    {kind} qr[{lanes}][{d}], ur[{lanes}][{e}], sums[{d}][{lanes}] = {{{{0}}}};
    {kind} qs[{d}][{lanes}] = {{{{0}}}}, us[{e}][{lanes}] = {{{{0}}}};
    {kind} inner[{lanes}] = {{0}}, log_total[{lanes}] = {{0}};
    for (int64_t o = 0; o < rows; o++) {{
        for (int64_t f = 0; f < {d}; f++)
            qs[f][o] = qr[o][f] = {q};
        for (int64_t f = 0; f < {e}; f++) {{
            us[f][o] = ur[o][f] = {u};
            inner[o] += ur[o][f] * {z};
        }}
        log_total[o] = {l};
    }}
    const int64_t seen = {seen};
    for (int64_t start = 0; start < seen; start += {keys}) {{
        const int n = seen - start < {keys} ? (int)(seen - start) : {keys};
        {kind} w[{keys}][{lanes}] = {{{{0}}}}, s[{keys}][{lanes}] = {{{{0}}}};
        add_blocks_{kind}(w, n, k{k}, {k_down}, {k_right}, qs, {d});
{masked}        add_blocks_{kind}(s, n, v{v}, {v_down}, {v_right}, us, {e});
        for (int64_t j = 0; j < n; j++)
            #pragma omp simd
            for (int64_t o = 0; o < {lanes}; o++) {{
                w[j][o] = exp(w[j][o] - log_total[o]);
                s[j][o] = w[j][o] * (s[j][o] - inner[o]);
            }}
{products}    }}
{dq}}}
"""


def can_write(v: Vertex, views: Views) -> bool:
    """Whether there is C for a vertex: an attention of floating-point numbers that lie in memory as arrays."""
    if v.op is not online_attention and v.op is not online_attention_gradient:
        return False
    if any(type(x._data) is tuple or x.id not in views.access or not x.size for x in v.inputs):
        return False
    kinds = {x.dtype for x in v.inputs if x.dtype.kind != "b"}
    matrices = v.inputs[:3] if v.op is online_attention else v.inputs[:4]
    return (len(kinds) == 1 and kinds.pop().char in "fd" and max(x.shape[-1] for x in matrices) <= WIDEST
            and v.inputs[0].ndim - 2 <= len(BATCHES))


def work(v: Vertex) -> float:
    """About how many steps it takes."""
    assert v.op is not None
    return v.op.flops(v._data, *v.inputs) / PER_STEP


class Places:
    """How the elements of the arrays of an attention are written."""

    def __init__(self, v: Vertex, views: Views) -> None:
        self.views = views
        self.lead = v.inputs[0].shape[:-2]

    def start(self, strides: tuple[int, ...], shape: tuple[int, ...]) -> str:
        """The place of the first element for the present turn of the loops over the leading axes."""
        missing = len(self.lead) - len(shape)
        return " + ".join(f"{step} * {BATCHES[axis + missing]}"
                          for axis, (step, n) in enumerate(zip(strides, shape, strict=True)) if step and n > 1)

    def matrix(self, x: Vertex) -> tuple[str, int, int]:
        """That place in a value that the op reads, and the steps down and to the right."""
        strides = self.views.of(x).strides
        down, right = (step if n > 1 else 0 for step, n in zip(strides[-2:], x.shape[-2:], strict=True))
        return self.start(strides[:-2], x.shape[:-2]), down, right

    def element(self, name: str, x: Vertex, row: str, column: str) -> str:
        """An element of a matrix that the op reads."""
        start, down, right = self.matrix(x)
        across = column if right == 1 else f"{right} * {column}" if right else ""
        return f"{name}[{' + '.join(filter(None, (start, f'{down} * ({row})' if down else '', across))) or '0'}]"

    def made(self, shape: tuple[int, ...], matrix: int = 2) -> str:
        """The place of the first element in a value that the op writes."""
        return self.start(contiguous(shape)[:-matrix], shape[:-matrix]) or "0"


def function(v: Vertex, items: Mapping[int, Vertex], name: str, views: Views, team: Team) -> str:
    """The function of an attention or its gradient, whose results are `items`, by their number."""
    names = ("q", "k", "v", "mask") if v.op is online_attention else ("u", "q", "k", "v", "z", "l", "mask")
    results = ("z", "l") if v.op is online_attention else ("dq", "dk", "dv")
    given = dict(zip(names, v.inputs, strict=False))
    kind = C_TYPES[given["q"].dtype]
    parameters = [f"const {C_TYPES[x.dtype]} *restrict {parameter}" for parameter, x in given.items()]
    parameters += [f"{kind} *restrict {results[number]}" for number in items]
    made = {results[number]: item for number, item in items.items()}
    places = Places(v, views)
    words = common(given, places, bool(v.attrs["causal"]), "s" if v.op is online_attention else "w")
    write = forward if v.op is online_attention else backward
    text = in_type(write(given, made, places, words), given["q"].dtype)
    lead = [(BATCHES[axis], n) for axis, n in enumerate(places.lead) if n > 1]
    shared = len(lead) + (v.op is online_attention)
    lines = [f"    {line}" for line in team.parallel_for(work(v), f"collapse({shared})" if shared > 1 else "")] \
        if shared else []
    for depth, (loop, n) in enumerate(lead, 1):
        lines.append("    " * depth + f"for (int64_t {loop} = 0; {loop} < {n}; {loop}++) {{")
    indent = "    " * (len(lead) + 1)
    lines += [indent + line if line else line for line in text.splitlines()]
    lines += ["    " * depth + "}" for depth in range(len(lead), 0, -1)]
    return "\n".join([f"KERNEL void {name}({', '.join(parameters)})", "{", *lines, "}", ""])


def common(given: Mapping[str, Vertex], places: Places, causal: bool, scores: str) -> dict[str, object]:
    """What both directions say of keys, values and masks."""
    q, k, v = given["q"], given["k"], given["v"]
    k_start, k_down, k_right = places.matrix(k)
    v_start, v_down, v_right = places.matrix(v)
    masked = []
    if "mask" in given:
        mask = given["mask"]
        place = places.element("mask", mask, "first + o", "(start + j)") if mask.ndim > 1 else "mask[start + j]"
        masked += ["for (int64_t j = 0; j < n; j++)", "    for (int64_t o = 0; o < rows; o++)",
                   f"        if (!{place}) {scores}[j][o] = -INFINITY;" if mask.dtype.kind == "b"
                   else f"        {scores}[j][o] += {place};"]
    if causal:
        masked += ["for (int64_t j = first > start ? first - start : 0; j < n; j++)",
                   f"    for (int64_t o = 0; o < {LANES}; o++)",
                   f"        if (start + j > first + o) {scores}[j][o] = -INFINITY;"]
    keys = k.shape[-2]
    return {"T": q.shape[-2], "d": q.shape[-1], "e": v.shape[-1], "kind": C_TYPES[q.dtype], "lanes": LANES,
            "keys": min(KEYS, keys), "k_down": k_down, "k_right": k_right, "v_down": v_down, "v_right": v_right,
            "k": "".join(f" + {part}" for part in (k_start, f"{k_down} * start") if part),
            "v": "".join(f" + {part}" for part in (v_start, f"{v_down} * start") if part),
            "q": places.element("q", q, "first + o", "f"),
            "seen": f"first + {LANES} < {keys} ? first + {LANES} : {keys}" if causal else keys,
            "masked": "".join(f"        {line}\n" for line in masked)}


def forward(given: Mapping[str, Vertex], made: Mapping[str, Vertex], places: Places, words: dict[str, object]) -> str:
    """The statements of attention for one head."""
    blind = "        if (total[o] == 0) total[o] = 1, top[o] = 0;  // it sees no key\n" if "mask" in given else ""
    kept = ""
    if "l" in made:
        kept = f"        l[{places.made(made['l'].shape, 1)} + first + o] = top[o] + log(total[o]);\n"
    z = places.made((*places.lead, int(str(words["T"])), int(str(words["e"]))))
    return FORWARD.format(**words, blind=blind, kept=kept, z=z)


def backward(given: Mapping[str, Vertex], made: Mapping[str, Vertex], places: Places, words: dict[str, object]) -> str:
    """The statements of the gradient for one head."""
    zeros, products, dq = [], [], []
    for name, factor, rows in (("dk", "s", "qr"), ("dv", "w", "ur")):
        if name in made:
            width, place = made[name].shape[-1], places.made(made[name].shape)
            zeros += [f"for (int64_t i = 0; i < {prod(made[name].shape[-2:])}; i++)", f"    {name}[{place} + i] = 0;"]
            products += ["for (int64_t j = 0; j < n; j++) {",
                         f"    {words['kind']} *restrict row = {name} + {place} + {width} * (start + j);",
                         "    for (int64_t o = 0; o < rows; o++)", "        #pragma omp simd",
                         f"        for (int64_t f = 0; f < {width}; f++)",
                         f"            row[f] += {factor}[j][o] * {rows}[o][f];", "}"]
    if "dq" in made:
        products.append(f"add_blocks_{words['kind']}(sums, {words['d']}, k{words['k']}, {words['k_right']}, "
                        f"{words['k_down']}, s, n);")
        place = places.made(made["dq"].shape)
        dq = ["for (int64_t o = 0; o < rows; o++)", f"    for (int64_t f = 0; f < {words['d']}; f++)",
              f"        dq[{place} + {words['d']} * (first + o) + f] = sums[f][o];"]
    strides = places.views.of(given["l"]).strides
    start = places.start(strides[:-1], given["l"].shape[:-1])
    log_total = f"l[{f'{start} + ' if start else ''}{strides[-1]} * (first + o)]"
    return BACKWARD.format(**words, zeros="".join(f"{line}\n" for line in zeros), l=log_total,
                           u=places.element("u", given["u"], "first + o", "f"),
                           z=places.element("z", given["z"], "first + o", "f"),
                           products="".join(f"        {line}\n" for line in products),
                           dq="".join(f"    {line}\n" for line in dq))


def head(text: str) -> list[str]:
    """The product of blocks, for a text that uses it."""
    return [PRODUCT.format(kind=kind, lanes=LANES) for kind in ("float", "double") if f"add_blocks_{kind}(" in text]
