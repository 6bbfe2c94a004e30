"""Words of CUDA: what no value may be called, the head of a kernel, positions of threads, and sums of teams."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import prod

from teachgrad.dtypes import C_TYPES
from teachgrad.executors.c.spelling import IDENTIFIER, step
from teachgrad.op import Vertex

FAILED = "failed"
"""The name of the flag by which a kernel says that it refuses its values."""
WORDS = (
    "alignas alignof and and_eq asm at atomicAdd atomicOr begin bitand bitor blockDim blockIdx catch class compl "
    "const_cast constexpr decltype delete dim3 dynamic_cast e element end explicit export four friend get_four "
    "gridDim half inside lane max min mutable namespace new noexcept not not_eq nullptr operator or or_eq private "
    "protected public put_four reinterpret_cast static_assert static_cast template this threadIdx thread_local "
    "throw true try typeid typename using virtual warp warpSize wchar_t xor xor_eq float2 float3 float4 double2 "
    "int2 int3 int4 uint2 uint3 uint4 tg std")
RESERVED = frozenset(WORDS.split())
"""Words of C++ and CUDA, and names that kernels use themselves."""

PRELUDE = """\
#ifdef __CUDACC_RTC__  // the run-time compiler has no headers of its own
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#define INT64_C(n) n##LL
#define UINT64_C(n) n##ULL
#define INT64_MIN (-9223372036854775807LL - 1)
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#else
#include <math.h>
#include <stdint.h>
#endif
"""

FOURS = """\
/* Four neighbours in memory: as many as one instruction moves. */
template <typename T> struct __align__(sizeof(T) < 4 ? 4 * sizeof(T) : 16) four { T at[4]; };

/* Get four neighbours, or where there are fewer, `count`: then the last one again. */
template <typename T> static __device__ void get_four(T *z, const T *x, int count = 4)
{
    const four<T> whole = count == 4 ? *reinterpret_cast<const four<T> *>(x) : four<T>();
#pragma unroll
    for (int e = 0; e < 4; e++) z[e] = count == 4 ? whole.at[e] : x[e < count ? e : count - 1];
}

/* Put four neighbours, or `count`, into memory. */
template <typename T> static __device__ void put_four(T *z, const T *x, int count = 4)
{
    four<T> whole;
#pragma unroll
    for (int e = 0; e < 4; e++) whole.at[e] = x[e];
    if (count == 4) *reinterpret_cast<four<T> *>(z) = whole;
#pragma unroll
    for (int e = 0; e < 3; e++)
        if (count < 4 && e < count) z[e] = x[e];
}
"""

COORDINATES = re.compile(
    r"( *)const (int|int64_t) (\w+ = \w+(?: / \d+)?(?: % \d+)?(?:, \w+ = \w+(?: / \d+)?(?: % \d+)?)*);")
"""A statement that tells where a thread is."""


def head_of(name: str, parameters: Sequence[str], block: int = 0) -> str:
    """The head of a kernel, over several lines where it is long."""
    bounds = f"__launch_bounds__({block}) " if block else ""
    start = f'extern "C" __global__ void {bounds}{name}('
    lines = [start]
    for number, parameter in enumerate(parameters):
        word = parameter + (", " if number < len(parameters) - 1 else ")")
        if len(lines[-1]) + len(word) > 118 and lines[-1].strip():
            lines[-1] = lines[-1].rstrip()
            lines.append("    ")
        lines[-1] += word
    return "\n".join(lines) if parameters else start + ")"


def coordinates(names: Sequence[str], lengths: Sequence[int],
                thread: str = "(int64_t)blockIdx.x * blockDim.x + threadIdx.x", guard: bool = True,
                kind: str = "int64_t") -> list[str]:
    """The statements that tell a thread, by its number, where it is along axes of these lengths."""
    if not names and not guard:
        return []
    single = names[0] if len(names) == 1 else thread if thread.isidentifier() else "at"
    lines = [] if thread == single else [f"const {kind} {single} = {thread};"]
    if guard:
        lines.append(f"if ({single} >= {prod(lengths)}) return;")
    if len(names) > 1:
        words = []
        for k, name in enumerate(names):
            after = prod(lengths[k + 1:])
            word = f"{single} / {after}" if after > 1 else single
            words.append(f"{name} = {word} % {lengths[k]}" if k else f"{name} = {word}")
        lines.append(f"const {kind} {', '.join(words)};")
    return lines


def without_unused(lines: Sequence[str]) -> list[str]:
    """The statements of a kernel, without coordinates that no other statement uses."""
    counts = Counter(name for line in lines for name in set(IDENTIFIER.findall(line)))
    kept = []
    for line in lines:
        match = COORDINATES.fullmatch(line)
        if match:
            words = [word for word in match[3].split(", ") if counts[word.partition(" ")[0]] > 1]
            if not words:
                continue
            line = f"{match[1]}const {match[2]} {', '.join(words)};"
        kept.append(line)
    return kept


def combine(v: Vertex, team: str) -> tuple[str, str, str]:
    """The function by which a team puts the running results of a reduction together: name, type, and next step.

    A team is a "warp", a "block", or the threads of the same "lane" in all warps of a block.
    """
    assert v.op is not None
    kind = C_TYPES[v.dtype]
    what = {"sum": "sum", "sum_to": "sum", "max": "greatest", "min": "least"}.get(v.op.name, v.op.name)
    return f"{what}_of_{team}_{kind.removesuffix('_t')}", kind, step(v, "z", "x")


def combining(functions: Sequence[tuple[str, str, str]]) -> list[str]:
    """The text of these functions."""
    lines: list[str] = []
    needed = {(name.replace("_of_block_", "_of_warp_"), kind, next_step) for name, kind, next_step in functions
              if "_of_lane_" not in name}
    for name, kind, next_step in sorted(needed):
        lines += [f"/* {name.partition('_')[0].capitalize()} of the numbers z of the 32 threads of a warp, for each of "
                  "them: pairs, fours, eights, ... */",
                  f"static __device__ {kind} {name}({kind} z)", "{",
                  "    for (int apart = 1; apart < 32; apart *= 2) {",
                  f"        const {kind} x = __shfl_xor_sync(0xffffffffu, z, apart);", f"        z = {next_step};",
                  "    }", "    return z;", "}", ""]
    for name, kind, next_step in sorted(functions):
        if "_of_warp_" not in name:
            lines += block_function(name, kind, next_step)
    return lines


def block_function(name: str, kind: str, next_step: str) -> list[str]:
    """The text of a function that puts together what the warps of a block have."""
    head = [f"template <int WARPS> static __device__ {kind} {name}({kind} z)", "{"]
    end = [f"        z = {next_step};", "    }", "    __syncthreads();  // the parts may be written anew",
           "    return z;", "}", ""]
    if "_of_block_" in name:
        return ["/* The same for all threads of a block: of each warp, then of the warps, a power of two. */", *head,
                f"    __shared__ {kind} parts[WARPS];", f"    z = {name.replace('_of_block_', '_of_warp_')}(z);",
                "    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = z;", "    __syncthreads();",
                "    z = parts[threadIdx.x % WARPS];", "    for (int apart = 1; apart < WARPS; apart *= 2) {",
                f"        const {kind} x = __shfl_xor_sync(0xffffffffu, z, apart);", *end]
    what = name.partition("_")[0].capitalize()
    return [f"/* {what} of the numbers z of all threads of a block with the same lane. */", *head,
            f"    __shared__ {kind} parts[WARPS][32];", "    parts[threadIdx.x / 32][threadIdx.x % 32] = z;",
            "    __syncthreads();", "    z = parts[0][threadIdx.x % 32];", "#pragma unroll",
            "    for (int w = 1; w < WARPS; w++) {", f"        const {kind} x = parts[w][threadIdx.x % 32];", *end]
