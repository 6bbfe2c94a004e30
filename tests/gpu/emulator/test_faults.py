"""Kernels that would take a process down, or never end: the interpreter goes on, and is told where it was."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from teachgrad_gpu.emulator import (
    CompileError,
    EmulatorError,
    LaunchError,
    RawKernel,
    UnsupportedError,
    building,
    process,
)

pytestmark = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")

GOOD = 'extern "C" __global__ void good(int* x) { x[threadIdx.x] = threadIdx.x; }'
BAD = {
    "illegal address": "x[1l << 38] = 1;",
    "timeout": "volatile int* p = x; while (p[0] == 0) {}",
    "stack overflow": "volatile int a[100000]; for (int i = 0; i < 100000; i++) a[i] = x[0]; x[1] = a[5];",
    "assert": "assert(x[0] == 1);",
    "trap": "__trap();",
    "abort": "syscall(57);",
    "deadlock": "if (threadIdx.x < 16) __syncwarp(); else __syncthreads();",
    "warp mask": "__syncwarp(0x0000fffe);",
}
if platform.machine() in ("x86_64", "AMD64"):  # elsewhere the quotient is 0
    BAD["arithmetic"] = "x[1] = 5 / x[0];"
HEAD = 'extern "C" long syscall(long, ...);\nextern "C" __global__ void bad(int* x) {\n    '


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("kind", BAD)
def test_a_wrong_kernel_is_named_and_the_next_one_runs(kind, check):
    kernel = RawKernel(HEAD + BAD[kind] + "\n}", "bad", timeout=0.5, check=check)
    lines = (3,)
    if kind == "stack overflow":  # GCC's probes stand where the function begins; clang gives its own no line
        lines = (2, 3, None) if "clang" in building.compiler().version else (2, 3)
    x = np.zeros(64, np.int32)
    if check:
        kernel((1,), (32,), (x,))
        [finding] = kernel.findings
        expected = "out of bounds" if kind == "illegal address" else kind
        assert finding.kind == expected
        assert finding.line in lines
    else:
        with pytest.raises(LaunchError) as error:
            kernel((1,), (32,), (x,))
        assert error.value.kind == kind
        assert error.value.line in lines
        assert "block (0, 0, 0), thread (" in str(error.value)
    y = np.zeros(32, np.int32)
    RawKernel(GOOD, "good")((1,), (32,), (y,))
    assert y.tolist() == list(range(32))


@pytest.mark.parametrize("check", [False, True])
def test_an_assertion_is_quoted_with_whatever_is_in_it(check):
    source = 'extern "C" __global__ void k(int* x) {\n    assert(x[0] && R"(a\tb\x0cc\x1b[31m%d\ne)");\n}'
    kernel = RawKernel(source, "k", check=check)
    if check:
        kernel((1,), (1,), (np.zeros(1, np.int32),))
        [finding] = kernel.findings
        told, line = finding.message, finding.line
    else:
        with pytest.raises(LaunchError) as error:
            kernel((1,), (1,), (np.zeros(1, np.int32),))
        told, line = str(error.value), error.value.line
    assert 'the assertion `x[0] && R"(a b c [31m%d e)"` does not hold' in told.replace("\n", " ")
    assert line in (2, 3)


@pytest.mark.parametrize("check", [False, True])
def test_a_barrier_of_the_whole_grid_is_told_that_blocks_run_one_after_the_other(check):
    source = """extern "C" __global__ void k(int* x) {
        atomicAdd(x, 1);
        while (atomicAdd(x, 0) < (int)(gridDim.x * gridDim.y)) {}
    }"""
    kernel, hint = RawKernel(source, "k", timeout=0.3, check=check), "blocks run one after the other here"

    def told(grid, before):
        x = np.array([before], np.int32)
        if check:
            kernel(grid, (1,), (x,))
            return next(finding.message for finding in kernel.findings if finding.kind == "timeout")
        with pytest.raises(LaunchError) as error:
            kernel(grid, (1,), (x,))
        return str(error.value)

    assert hint in told((2,), 0)
    assert hint in told((1, 2), -5)
    assert hint not in told((1,), -5), "there is no other block"


def test_a_thread_that_waits_for_a_later_one_lets_it_run():
    source = """
    extern "C" __global__ void k(volatile int* x) {
        if (threadIdx.x < 31) while (x[0] == 0) {}
        else x[0] = 1;
        x[1 + threadIdx.x] = 5;
    }"""
    x = np.zeros(33, np.int32)
    RawKernel(source, "k", timeout=20)((1,), (32,), (x,))
    assert x[1:].tolist() == [5] * 32


def test_a_compiler_s_complaint_names_the_user_s_line():
    with pytest.raises(CompileError, match=r"kernel\.cu:3:\d+: error: .*y"):
        RawKernel('\nextern "C" __global__ void k(float* x) {\n    x[0] = y;\n}', "k").compile()


@pytest.mark.parametrize(("line", "name"), [
    ('asm("mov.u32 %0, %laneid;" : "=r"(x[0]));', "inline PTX"),
    ("other<<<1, 1>>>(x);", "<<<"),
    ("fork();", "host"),
    ("x[0] = tex1Dfetch(t, 0);", "texture"),
    ("cooperative_groups::this_cluster().sync();", "cluster of blocks"),
    ("cooperative_groups::this_multi_grid().sync();", "several devices"),
    ("cuda::barrier<cuda::thread_scope_block> b;", "libcu"),
    ("std::atomic<int> a;", "std::atomic"),
    ("cub::BlockReduce<int, 32> r;", "library of templates"),
    ("cudaDeviceSynchronize();", "host's runtime"),
    ("__shared__ struct { int a; } s;", r"__shared__ memory is not understood; name the type first: `struct Name \{"),
    ("__shared__ alignas(16) union U { int a; float b; } u[2];", r"`union Name \{ .* \};`, then `__shared__ Name"),
    ("__shared__ int (*p)[3];", r"write `__shared__ type name\[size\];`"),
    ("__shared__ int a, *b;", "one variable at a time"),
])  # fmt: skip
def test_what_is_not_supported_is_refused_by_name_before_compiling(line, name):
    head = '// asm fork() <<< in a comment\nextern "C" __global__ void k(int* x) {\n    const char* s = "asm";\n'
    source = f"{head}    {line}\n}}"
    with pytest.raises(UnsupportedError, match=name) as error:
        RawKernel(source, "k")
    assert error.value.line == 4
    with pytest.raises(UnsupportedError, match="CUB"):
        RawKernel("#include <cub/cub.cuh>\n", "k")


@pytest.mark.skipif(platform.system() != "Linux" or platform.machine() != "x86_64", reason="numbers of system calls")
@pytest.mark.parametrize("call", ["76, {place}, 0L", "257, -100L, {place}, 513L, 0L", "2, {place}, 1L",
                                  "264, -100L, {place}, -100L, {place}", "62, (long)syscall(110), 0L"])  # fmt: skip
def test_a_kernel_neither_writes_files_nor_sends_signals(call, tmp_path):
    """truncate, openat and open to write, renameat, kill of the interpreter."""
    place = tmp_path / "file"
    place.write_text("text")
    kernel = RawKernel(f"{HEAD}x[0] = (int)syscall({call.format(place=json.dumps(str(place)))});\n}}", "bad")
    with pytest.raises(LaunchError, match="only programs on the host"):
        kernel((1,), (1,), (np.zeros(1, np.int32),))
    assert place.read_text() == "text"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_has_a_worker_and_memory_of_its_own():
    kernel, x = RawKernel(GOOD, "good"), np.zeros(32, np.int32)
    kernel((1,), (32,), (x,))
    mine = process.worker().process.pid
    child = os.fork()
    if child == 0:
        y = np.zeros(32, np.int32)
        kernel((1,), (32,), (y,))
        fine = process.worker().process.pid != mine and y.tolist() == list(range(32))
        process.stop()
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    x[...] = 0
    kernel((1,), (32,), (x,))
    assert x.tolist() == list(range(32))
    assert process.worker().process.pid == mine


def test_a_killed_worker_is_replaced():
    kernel, x = RawKernel(GOOD, "good"), np.zeros(32, np.int32)
    kernel((1,), (32,), (x,))
    victim = process.worker().process
    victim.kill()
    victim.wait()
    kernel((1,), (32,), (x,))
    assert x.tolist() == list(range(32))


def test_a_worker_that_is_killed_in_the_middle_of_a_launch_is_reported_and_replaced():
    endless = RawKernel('extern "C" __global__ void k(volatile int* x) { while (x[0] == 0) {} }', "k", timeout=30)
    endless.compile()
    victim = process.worker().process
    threading.Timer(0.3, victim.kill).start()
    with pytest.raises(LaunchError, match=r"ended by SIGKILL; the next launch starts another one") as error:
        endless((1,), (1,), (np.zeros(1, np.int32),))
    assert error.value.kind == "abort"
    x = np.zeros(32, np.int32)
    RawKernel(GOOD, "good")((1,), (32,), (x,))
    assert x.tolist() == list(range(32))


LONG = """
import os, sys
import numpy as np
from teachgrad_gpu.emulator import RawKernel, process
source = 'extern "C" __global__ void k(int* x) { for (int i = 0; i < 100000; i++) atomicAdd(x, i); }'
kernel = RawKernel(source, "k", timeout=600)
kernel.compile()
if sys.argv[1] == "forked" and os.fork() == 0:
    import time
    time.sleep(20)
    os._exit(0)
print(process.worker().process.pid, flush=True)
if sys.argv[1] == "forked":
    input()
try:
    kernel((1_000_000,), (32,), (np.zeros(1, np.int32),))
except KeyboardInterrupt:
    x = np.zeros(1, np.int32)
    RawKernel('extern "C" __global__ void good(int* x) { x[0] = 5; }', "good")((1,), (1,), (x,))
    print("interrupted", x[0], flush=True)
"""


def gone(pid, within):
    """Whether a process ends in so many seconds."""
    for _ in range(int(within / 0.1)):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(platform.system() != "Linux", reason="/proc")
@pytest.mark.parametrize("end", ["interrupted", "killed", pytest.param("forked", marks=pytest.mark.slow)])
def test_no_worker_is_left_when_its_interpreter_is_interrupted_or_killed_in_a_launch_of_a_million_blocks(end):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", LONG, end], env=environment, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as parent:  # fmt: skip
        try:
            worker = int(parent.stdout.readline())
            time.sleep(0.5)
            assert not gone(worker, 0.1)
            parent.send_signal(signal.SIGINT if end == "interrupted" else signal.SIGKILL)
            assert gone(worker, 5)
            if end == "interrupted":
                assert parent.communicate(timeout=60)[0] == "interrupted 5\n"
        finally:
            parent.kill()


def test_a_launch_that_takes_too_long_says_how_far_it_has_come():
    source = 'extern "C" __global__ void k(int* x) { for (int i = 0; i < 1000; i++) atomicAdd(x, i); }'
    for check in (False, True):
        kernel = RawKernel(source, "k", check=check, timeout=0.5)
        told = ""
        try:
            kernel((1_000_000,), (32,), (np.zeros(1, np.int32),))
            [told] = [finding.message for finding in kernel.findings]
        except LaunchError as error:
            told = str(error)
        found = re.search(r"(\d+) of 1000000 blocks were done after (\S+) seconds, so all would take about ([\d.e+]+)",
                          told)  # fmt: skip
        assert found, told
        done, seconds, whole = found.groups()
        assert 0.4 < float(seconds) < 3
        assert float(whole) == pytest.approx(float(seconds) * 1e6 / int(done), rel=0.1)


def test_a_launch_costs_little():
    kernel, x = RawKernel(GOOD, "good"), np.zeros(32, np.int32)
    kernel((1,), (32,), (x,))
    best = 1.0
    for _ in range(200):
        start = time.perf_counter()
        kernel((1,), (32,), (x,))
        best = min(best, time.perf_counter() - start)
    assert best < 1e-3


def test_threads_of_python_share_the_worker():
    source = """extern "C" __global__ void k(int* x, int v) {
        __shared__ int s[64];
        s[threadIdx.x] = v;
        __syncthreads();
        x[threadIdx.x] = s[63 - threadIdx.x] + threadIdx.x;
    }"""
    kernel, wrong = RawKernel(source, "k"), []

    def launch(value):
        for _ in range(30):
            x = np.zeros(64, np.int32)
            kernel((1,), (64,), (x, value))
            if x.tolist() != [value + i for i in range(64)]:
                wrong.append(value)

    threads = [threading.Thread(target=launch, args=(value,)) for value in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


def test_a_kernel_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(EmulatorError, match="no kernel 'nope'; there are: good"):
        RawKernel(GOOD, "nope")
