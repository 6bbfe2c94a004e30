"""Occupancy: how many of a multiprocessor's warps a kernel can have alive at once, and what stands in the way.

A multiprocessor hides waiting by having other warps to run. How many fit is a matter of division: of its warps, its
block slots, its registers and its shared memory, each given out in whole pieces.

Source: NVIDIA, "CUDA C++ Programming Guide", table of technical specifications by compute capability, and the header
`cuda_occupancy.h` of the CUDA toolkit, with which the tests compare.
"""

from __future__ import annotations

from typing import NamedTuple

from teachgrad.errors import SettingError

WARP = 32
REGISTERS = 65536
"""32-bit registers of a multiprocessor, in all architectures here."""
MOST_THREADS = 1024
"""The most that a block can have."""
PARTS = 4
"""A multiprocessor has four parts with a quarter of the registers each; a warp lives in one of them."""


class Limits(NamedTuple):
    """What one multiprocessor has."""

    warps: int
    blocks: int
    shared: int
    """Bytes of shared memory."""
    reserved: int
    """Bytes of it that the system takes for each block."""
    piece: int
    """In pieces of how many bytes it is given out."""


KIB = 1024
LIMITS = {
    "sm_75": Limits(32, 16, 64 * KIB, 0, 256),
    "sm_80": Limits(64, 32, 164 * KIB, KIB, 128),
    "sm_86": Limits(48, 16, 100 * KIB, KIB, 128),
    "sm_87": Limits(48, 16, 164 * KIB, KIB, 128),
    "sm_89": Limits(48, 24, 100 * KIB, KIB, 128),
    "sm_90": Limits(64, 32, 228 * KIB, KIB, 128),
    "sm_100": Limits(64, 32, 228 * KIB, KIB, 128),
    "sm_120": Limits(48, 24, 100 * KIB, KIB, 128),
}


class Occupancy(NamedTuple):
    """The blocks of a kernel that one multiprocessor holds at once."""

    blocks: int
    warps: int
    most: int
    """How many warps it could hold."""
    limit: str
    """What allows no more: warps, blocks, registers or shared memory."""

    @property
    def percent(self) -> float:
        return 100.0 * self.warps / self.most


def occupancy(arch: str, threads: int, registers: int, shared: int) -> Occupancy:
    """How many blocks of so many threads fit, with so many registers a thread and bytes of shared memory a block.

    >>> occupancy("sm_90", threads=256, registers=32, shared=0)
    Occupancy(blocks=8, warps=64, most=64, limit='warps')
    """
    if arch not in LIMITS:
        raise SettingError(f"the limits of {arch} are not known here; known are {', '.join(LIMITS)}")
    if not 1 <= threads <= MOST_THREADS:
        raise SettingError(f"a block has 1 to {MOST_THREADS} threads, not {threads}")
    if shared < 0:
        raise SettingError(f"a block has 0 bytes of shared memory or more, not {shared}")
    have = LIMITS[arch]
    warps = -(-threads // WARP)
    of_a_warp = rounded(max(registers, 1) * WARP, 256)
    of_a_block = rounded(shared + have.reserved, have.piece)
    fits = {
        "warps": have.warps // warps,
        "blocks": have.blocks,
        "registers": REGISTERS // PARTS // of_a_warp * PARTS // warps,
        "shared memory": have.shared // of_a_block if of_a_block else have.blocks,
    }
    limit = min(fits, key=lambda name: fits[name])
    return Occupancy(fits[limit], fits[limit] * warps, have.warps, limit)


def rounded(n: int, piece: int) -> int:
    """n, rounded up to whole pieces."""
    return -(-n // piece) * piece
