"""The ladders: every rung is right, and the counts are those that its text claims."""

from __future__ import annotations

import json
from argparse import ArgumentParser

import pytest

from teachgrad_gpu import emulator, timing
from teachgrad_gpu.commands import cuda
from teachgrad_gpu.emulator import building
from teachgrad_gpu.ladder import LADDERS, Climbed, climb

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")


def climbed(name: str) -> list[Climbed]:
    try:
        found = list(climb(LADDERS[name]))
    finally:
        emulator.stop()
    assert all(c.right for c in found)
    assert all(c.speed is None for c in found)
    return found


def test_transpose() -> None:
    naive, tiled, padded = (c.counts for c in climbed("transpose"))
    assert naive.sectors == (4 + 32) / 2  # reads along rows, writes down columns
    assert naive.ideal_sectors == 4
    assert tiled.sectors == padded.sectors == 4
    assert tiled.moved == padded.moved == 2 * 128 * 128 * 4
    assert tiled.wavefronts == (1 + 32) / 2  # a row, and a column that lies in one bank
    assert padded.wavefronts == 1
    assert (naive.barriers, tiled.barriers, padded.barriers) == (0, 1, 1)


@pytest.mark.slow
def test_reduce() -> None:
    atomic, interleaved, folded, shuffled, last = (c.counts for c in climbed("reduce"))
    assert (atomic.atomics, interleaved.atomics, folded.atomics, shuffled.atomics) == (16384, 64, 64, 8)
    assert (interleaved.barriers, folded.barriers, shuffled.barriers, last.barriers) == (9, 9, 2, 3)
    assert folded.lanes > interleaved.lanes
    assert folded.all_wavefronts < interleaved.all_wavefronts / 3
    assert last.atomics == 8  # integers: arrivals


@pytest.mark.slow
def test_softmax() -> None:
    naive, shared, shuffled, online, registers = (c.counts for c in climbed("softmax"))
    bytes_of_x = 64 * 512 * 4
    assert naive.sectors == 32
    assert shared.sectors < 4
    assert (shared.barriers, shuffled.barriers, online.barriers, registers.barriers) == (19, 0, 0, 2)
    assert shuffled.wavefronts is None
    for counts, passes in ((shuffled, 4), (online, 3), (registers, 2)):
        assert counts.moved == pytest.approx(passes * bytes_of_x, rel=0.07)  # and the first number of each row


@pytest.mark.slow
def test_matmul() -> None:
    naive, tiled, registers, vectorised, tensor = (c.counts for c in climbed("matmul"))
    m, n, k = 128, 128, 64
    result = 4 * m * n
    for counts, tile in ((tiled, 16), (registers, 64), (vectorised, 128)):
        assert counts.moved == 4 * m * k * n // tile * 2 + result  # each tile of A for each column of tiles of C
    assert naive.moved == m * n // 32 * (k * (1 + 4) * 32) + result
    assert tensor.moved == 2 * m * k + 2 * k * n + result
    assert tiled.wavefronts == registers.wavefronts == 1  # without bank conflicts
    assert registers.all_wavefronts < tiled.all_wavefronts / 3.5
    assert vectorised.all_wavefronts < registers.all_wavefronts / 2
    assert (tiled.barriers, registers.barriers, vectorised.barriers, tensor.barriers) == (8, 8, 8, 5)
    intensities = [counts.intensity for counts in (naive, tiled, registers, vectorised, tensor)]
    assert intensities == sorted(intensities)


def run(*words: str) -> int:
    parser = ArgumentParser()
    cuda.add_arguments(parser)
    return cuda.main(parser.parse_args(list(words)))


def test_the_command_in_words_and_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "missing", lambda: "there is no GPU in this test")
    assert run("ladder", "transpose") == 0
    text = capsys.readouterr().out
    assert "2. transpose_tiled (transpose.cu:38): right" in text
    assert "2.    4.0 (4.0)  128 KiB  16.5 (1.0)  16896        0   32.0         1        0" in text
    assert text.rstrip().endswith("Not timed: there is no GPU in this test.")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert run("ladder", "transpose", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert [rung["kernel"] for rung in data["rungs"]] == ["transpose_naive", "transpose_tiled", "transpose_padded"]
    assert data["rungs"][2]["counts"]["wavefronts"] == 1.0
    assert data["not_timed"] == "there is no GPU in this test"


@pytest.mark.gpu
@pytest.mark.parametrize("name", sorted(LADDERS))
def test_every_rung_is_timed_on_a_gpu(name: str) -> None:
    found = list(climb(LADDERS[name], timing.gpu()))
    assert all(c.right and c.speed and c.speed.ms > 0 for c in found)
    assert all(c.speed.percent is None or c.speed.percent < 110 for c in found if c.speed)
