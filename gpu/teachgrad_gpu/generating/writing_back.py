"""The end of a call: new values over the old ones of parameters and the like, all by one kernel.

Most new values are written straight over the old ones by the kernel that computes them. Those are left that somebody
reads after that, or that an error may still follow: then none may be overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence

from teachgrad.dtypes import C_TYPES
from teachgrad.executors.c.placing import Placing
from teachgrad.op import Vertex
from teachgrad.ops.code import index

from .threads import BLOCK, Kernel
from .words import FAILED, head_of

MOST = 64
"""So many values are written by one kernel; the parameters of a kernel have room for a few hundred."""
GRID = 1024
"""The blocks of a launch, at most."""
Pair = tuple[Vertex, Vertex]


def pairs_of(building: Placing) -> list[Pair]:
    """The old and the new values that are left; none, if the order matters: old values may be new ones, or returned."""
    views, pairs = building.views, [(leaf, new) for leaf, new in building.graph.updates
                                    if new.id not in building.direct]
    bases = [views.base(new).id for _, new in pairs]
    returned = {views.base(v).id for v in building.graph.outputs}
    plain = (all(base in building.stored and base not in building.direct for base in bases)
             and not any(leaf.id in returned for leaf, _ in pairs))
    return pairs if plain and all(views.dense(new) and new.dtype in C_TYPES and new.size for _, new in pairs) else []


def kernels(building: Placing, pairs: Sequence[Pair], number: int, guarded: bool) -> list[Kernel]:
    """The kernels that write. `guarded`: unless an earlier one has refused its values."""
    return [kernel(building, pairs[k:k + MOST], f"k{number + k // MOST}_write_back", guarded)
            for k in range(0, len(pairs), MOST)]


def kernel(building: Placing, pairs: Sequence[Pair], name: str, guarded: bool) -> Kernel:
    """One of them."""
    label, parameters, lines, arguments = building.label, [], [], []
    sources: dict[int, str] = {}
    for leaf, new in pairs:
        access, kind = building.views.of(new), C_TYPES[leaf.dtype]
        source = sources.get(access.base.id)
        if source is None:
            source = sources[access.base.id] = label[access.base.id]
            parameters.append(f"const {kind} *__restrict__ {source}")
            arguments.append(access.base)
        parameters.append(f"{kind} *__restrict__ {label[leaf.id]}")
        arguments.append(leaf)
        lines.append(f"    for (int64_t element = at; element < {leaf.size}; element += gridDim.x * {BLOCK}) "
                     f"{label[leaf.id]}[element] = {source}[{index(access.offset, (1, 'element'))}];")
    if guarded:
        parameters.append(f"int *__restrict__ {FAILED}")
        lines.insert(0, f"    if (*{FAILED}) return;  // an earlier kernel refused its values")
    text = "\n".join(["/* New values over the old ones, when all is computed. */", head_of(name, parameters), "{",
                      "    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;",
                      *lines, "}", ""])
    blocks, size = -(-max(leaf.size for leaf, _ in pairs) // BLOCK), sum(leaf._data.nbytes for leaf, _ in pairs)
    return Kernel(name, text, min(GRID, blocks), BLOCK, tuple(arguments), guarded, counts=(size, size, 0))
