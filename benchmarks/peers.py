"""Who takes part: every contestant, the distribution it needs, and the environment that keeps it on one core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["by hand", "dynamic", "compiled", "scalar"]


@dataclass(frozen=True, slots=True)
class Peer:
    """One contestant: its key on the command line, its name in the report, and what must be installed for it."""

    key: str
    title: str
    distribution: str
    kind: Kind


YARDSTICK = "numpy"
DYNAMIC = "teachgrad"
STATIC = "teachgrad-static"
FAST = "teachgrad-c"

PEERS: dict[str, Peer] = {
    peer.key: peer
    for peer in (
        Peer(YARDSTICK, "NumPy by hand", "numpy", "by hand"),
        Peer(DYNAMIC, "teachgrad, dynamic", "teachgrad", "dynamic"),
        Peer(STATIC, "teachgrad, static O1", "teachgrad", "compiled"),
        Peer(FAST, "teachgrad, static O3", "teachgrad", "compiled"),
        Peer("torch", "PyTorch, eager", "torch", "dynamic"),
        Peer("torch-compile", "PyTorch, torch.compile", "torch", "compiled"),
        Peer("jax", "JAX, jax.jit", "jax", "compiled"),
        Peer("pytensor", "PyTensor", "pytensor", "compiled"),
        Peer("tinygrad-jit", "tinygrad, TinyJit", "tinygrad", "compiled"),
        Peer("tinygrad", "tinygrad, eager", "tinygrad", "dynamic"),
        Peer("autograd", "HIPS autograd", "autograd", "dynamic"),
        Peer("mygrad", "MyGrad", "mygrad", "dynamic"),
        Peer("micrograd", "micrograd", "micrograd", "scalar"),
    )
}

OURS = frozenset({YARDSTICK, DYNAMIC, STATIC, FAST})

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "DEV": "CPU",
    "CPU_COUNT": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}
"""The environment of every measuring process: one thread for each library, and freed memory stays with the process.

Python may keep the bytecode of what it imports. Installed libraries brought theirs along; where a setting of the
machine forbade it to a library that runs from its sources, that one alone would be compiled anew in every process.

Left to itself, glibc gives large freed arrays back to the system or does not, by what lies above them in memory; a step
that pays for fresh pages takes twice as long. That must not depend on which contestants share a process.
"""

CACHES = {
    "TORCHINDUCTOR_CACHE_DIR": "",
    "PYTENSOR_FLAGS": "base_compiledir=",
    "NUMBA_CACHE_DIR": "",
    "XDG_CACHE_HOME": "",
}
"""The variables that say where compiled code is kept, and what comes before the folder in them."""
