"""Kernels compile for every architecture without a GPU, and what is said of their needs is true."""

from __future__ import annotations

import json
import shutil
import subprocess
from argparse import ArgumentParser
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from teachgrad.errors import ExecutorError, SettingError
from teachgrad_gpu import compiling
from teachgrad_gpu.commands import cuda
from teachgrad_gpu.compiling import ARCHITECTURES, CompilationError, compile_cuda, compilers
from teachgrad_gpu.kernels import FOLDER, catalogue
from teachgrad_gpu.occupancy import LIMITS, occupancy

needs_compiler = pytest.mark.skipif(not compilers(), reason="neither NVRTC nor nvcc is installed")

SOURCE = """\
extern "C" __global__ void first(float* x) { x[threadIdx.x] = 1.0f; }
extern "C" __global__ void second(float* x, int k)
{
    __shared__ float s[100];
    float many[64];
    for (int i = 0; i < 64; i++) many[i] = x[i * k];
    s[threadIdx.x] = many[k];
    __syncthreads();
    for (int i = 0; i < 64; i++) many[(i * k) % 64] += s[(threadIdx.x + i) % 100];
    for (int i = 0; i < 64; i++) x[i] = many[i];
}
"""


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_kernel_compiles_without_a_warning(arch: str) -> None:
    for file in sorted(FOLDER.glob("*.cu")):
        made = compile_cuda(file.read_text("utf-8"), arch, (), file.name)
        assert {r.kernel for r in made.resources} == {k.name for k in catalogue.values() if k.path == file}
        assert made.cubin.startswith(b"\x7fELF")
        assert all(r.registers <= 255 and r.shared <= 48 << 10 for r in made.resources)
        assert not any(r.spilled for r in made.resources), "no kernel needs more registers than there are"


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("family", sorted({k.family for k in catalogue.values() if "float64" in k.dtypes}))
def test_every_family_compiles_for_double_and_its_other_macros(family: str) -> None:
    variants = [("-DREAL=double",), ("-DIMAGES_LAST",), ("-DINTEGER=int",), ("-DA_TRANSPOSED", "-DB_TRANSPOSED")]
    source = (FOLDER / f"{family}.cu").read_text("utf-8")
    for options in variants:
        if all(option[2:].partition("=")[0] in source for option in options):
            small = {"attention": ("-DKEYS=16", "-DQUERIES=32"), "attention_backward": ("-DTILE=16",)}.get(family, ())
            compile_cuda(source, "sm_80", (*options, *small), f"{family}.cu")


@needs_compiler
@pytest.mark.parametrize("compiler", compilers())
def test_what_a_kernel_takes(compiler: str) -> None:
    first, second = compile_cuda(SOURCE, "sm_90", compiler=compiler).resources
    assert (first.kernel, second.kernel) == ("first", "second")
    assert (first.shared, first.stack, first.spilled) == (0, 0, 0)
    assert (second.shared, second.stack) == (400, 256)
    assert 0 < first.registers < second.registers
    (squeezed,) = compile_cuda(
        'extern "C" __global__ void __launch_bounds__(1024, 2) k(const float* x, float* z)\n{\n    float v[80];\n'
        "#pragma unroll\n    for (int i = 0; i < 80; i++) v[i] = x[i * 1024 + threadIdx.x];\n    __syncthreads();\n"
        "#pragma unroll\n    for (int i = 0; i < 80; i++) z[(79 - i) * 1024 + threadIdx.x] = v[i] * v[79 - i];\n}\n",
        "sm_90", compiler=compiler).resources
    assert squeezed.registers <= 32
    assert squeezed.spilled > 0


@needs_compiler
@pytest.mark.parametrize("compiler", compilers())
def test_a_mistake_and_a_warning_are_errors_with_a_line(compiler: str) -> None:
    with pytest.raises(CompilationError, match=r'\nmine\.cu\(2\)(.|\n)*"y" is undefined'):
        compile_cuda('\nextern "C" __global__ void k(float* x) { x[0] = y; }', name="mine.cu", compiler=compiler)
    with pytest.raises(CompilationError, match=r'mine\.cu\(1\)(.|\n)*"unused" was declared but never referenced'):
        compile_cuda('extern "C" __global__ void k() { int unused = 3; }', name="mine.cu", compiler=compiler)


def test_without_a_compiler_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "compilers", lambda: ())
    with pytest.raises(ExecutorError, match=r"nvidia-cuda-nvrtc(.|\n)*teachgrad\[cuda-compile\]"):
        compile_cuda("")
    with pytest.raises(ExecutorError, match="nvcc is not here"):
        compile_cuda("", compiler="nvcc")


def test_a_missing_header_names_its_package() -> None:
    assert "nvidia-cuda-runtime" in compiling.about_headers('catastrophic error: cannot open source file "mma.h"')
    assert compiling.about_headers("another error") == ""


# ---- occupancy -------------------------------------------------------------------------------------------------------

THREADS, REGISTERS, SHARED = (32, 96, 256, 1000, 1024), (16, 32, 33, 64, 127, 168, 255), (0, 100, 4096, 16640, 49152)
PROGRAM = r"""
#include <stdio.h>
#include <cuda_occupancy.h>
int main() {
    int major, minor, warps; size_t shared, reserved; int threads, registers; size_t bytes;
    while (scanf("%d %d %d %zu %zu %d %d %zu", &major, &minor, &warps, &shared, &reserved, &threads, &registers,
                 &bytes) == 8) {
        cudaOccDeviceProp p; cudaOccFuncAttributes a; cudaOccDeviceState s; cudaOccResult r;
        p.computeMajor = major; p.computeMinor = minor; p.maxThreadsPerBlock = 1024;
        p.maxThreadsPerMultiprocessor = 32 * warps; p.regsPerBlock = p.regsPerMultiprocessor = 65536; p.warpSize = 32;
        p.sharedMemPerBlock = 48 << 10; p.sharedMemPerMultiprocessor = shared; p.numSms = 1;
        p.sharedMemPerBlockOptin = shared - reserved; p.reservedSharedMemPerBlock = reserved;
        a.maxThreadsPerBlock = 1024; a.numRegs = registers; a.sharedSizeBytes = bytes;
        a.maxDynamicSharedSizeBytes = 0; a.shmemLimitConfig = FUNC_SHMEM_LIMIT_DEFAULT; a.numBlockBarriers = 1;
        s.carveoutConfig = SHAREDMEM_CARVEOUT_MAX_SHARED;
        int error = cudaOccMaxActiveBlocksPerMultiprocessor(&r, &p, &a, &s, threads, 0);
        printf("%d\n", error ? -error : r.activeBlocksPerMultiprocessor);
    }
}
"""


def occupancy_header() -> Path | None:
    nvcc = shutil.which("nvcc")
    places = [*compiling.headers(), *([Path("/usr/local/cuda/include")] if nvcc else [])]
    return next((place for place in places if (place / "cuda_occupancy.h").exists()), None)


@pytest.mark.skipif(occupancy_header() is None or shutil.which("g++") is None, reason="no cuda_occupancy.h, or no g++")
def test_occupancy_is_that_of_nvidias_own_calculator(tmp_path: Path) -> None:
    (tmp_path / "occupancy.cpp").write_text(PROGRAM)
    subprocess.run(["g++", "-I", str(occupancy_header()), "occupancy.cpp", "-o", "occupancy"], cwd=tmp_path, check=True)
    cases = [(arch, *case) for arch in LIMITS for case in product(THREADS, REGISTERS, SHARED)
             if case[0] * (-(-case[1] // 8) * 8) <= 65536]
    lines = []
    for arch, threads, registers, shared in cases:
        number, limits = int(arch[3:]), LIMITS[arch]
        words = number // 10, number % 10, limits.warps, limits.shared, limits.reserved, threads, registers, shared
        lines.append(" ".join(map(str, words)))
    answer = subprocess.run([str(tmp_path / "occupancy")], input="\n".join(lines), capture_output=True, text=True,
                            check=True).stdout.split()
    assert len(cases) == len(answer) > 1000
    wrong = [(case, ours, int(theirs)) for case, theirs in zip(cases, answer, strict=True)
             if (ours := occupancy(case[0], *case[1:]).blocks) != int(theirs)]
    assert wrong == []


def test_what_limits_the_occupancy() -> None:
    assert occupancy("sm_90", 256, 127, 16640) == (2, 16, 64, "registers")
    assert occupancy("sm_90", 32, 16, 0).limit == "blocks"
    assert occupancy("sm_75", 256, 32, 40000).limit == "shared memory"
    assert occupancy("sm_80", 1024, 32, 0).percent == 100.0
    with pytest.raises(SettingError, match="the limits of sm_30 are not known"):
        occupancy("sm_30", 32, 32, 0)
    for threads in (0, 1025):
        with pytest.raises(SettingError, match=f"1 to 1024 threads, not {threads}"):
            occupancy("sm_90", threads, 32, 0)
    with pytest.raises(SettingError, match="0 bytes of shared memory or more, not -1"):
        occupancy("sm_90", 32, 32, -1)


# ---- the command -----------------------------------------------------------------------------------------------------

def run(*words: str) -> int:
    parser = ArgumentParser()
    cuda.add_arguments(parser)
    return cuda.main(parser.parse_args(list(words)))


@needs_compiler
def test_the_command_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.cu"
    file.write_text(SOURCE)
    assert run("compile", str(file), "--arch", "sm_90", "--threads", "64") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mine.cu, by ")
    assert lines[1].split()[:6] == ["kernel", "arch", "regs", "shared", "stack", "spill"]
    assert lines[3].split()[:2] == ["second", "sm_90"]
    assert run("compile", str(file), "--arch", "sm_75", "--json") == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [(r["kernel"], r["arch"], r["shared"]) for r in rows] == [("first", "sm_75", 0), ("second", "sm_75", 400)]


@pytest.mark.parametrize("words", [("--threads", "64"), ("--shared", "0"), ("-D", "TILE=8")])
def test_what_is_meant_for_a_file_is_refused_without_one(words: tuple[str, ...],
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compile", *words) == 2
    assert "go with a FILE.cu" in capsys.readouterr().err


@needs_compiler
def test_a_block_that_cannot_be_has_no_occupancy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.cu").write_text(SOURCE)
    for threads in ("0", "2000"):
        assert run("compile", str(tmp_path / "mine.cu"), "--arch", "sm_90", "--threads", threads) == 2
        assert f"1 to 1024 threads, not {threads}" in capsys.readouterr().err


@needs_compiler
def test_kernels_are_called_as_in_the_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.cu"
    file.write_text("__global__ void mine(float* x) { *x = 1; }\n"
                    "template <class T> __global__ void any(T* x) { *x = 1; }\n")
    assert run("compile", str(file), "--arch", "sm_90") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]] == ["mine"]
    file.write_text(file.read_text() + "template __global__ void any<int>(int*);\n")
    assert run("compile", str(file), "--arch", "sm_90") == 0
    assert sorted(line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]) == ["any<...>", "mine"]
    file.write_text("\n")
    assert run("compile", str(file), "--arch", "sm_90") == 2
    assert "has no kernel" in capsys.readouterr().err
    assert run("compile", str(file), "--arch", "sm_90", "--shared", "-1") == 2
    assert "--shared is a number of bytes, not -1" in capsys.readouterr().err


@needs_compiler
def test_a_kernel_that_does_not_compile_is_another_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.cu").write_text("__global__ void k(float* x) { *x = y; }\n")
    assert run("compile", str(tmp_path / "mine.cu"), "--arch", "sm_90") == 1
    out, err = capsys.readouterr()
    assert (out, '"y" is undefined' in err) == ("", True)


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compile", str(tmp_path / "none.cu")) == 2
    err = capsys.readouterr().err
    assert err.startswith("teachgrad cuda compile: ")
    assert err.endswith("none.cu cannot be read: No such file or directory\n")
