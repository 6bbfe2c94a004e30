"""`teachgrad cuda check` and the way in which launches are written down."""

import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest

from teachgrad_gpu.commands import check
from teachgrad_gpu.emulator import ArgumentError, building
from teachgrad_gpu.emulator.launching import read_launch, values
from teachgrad_gpu.emulator.parameters import Parameter

needs_compiler = pytest.mark.skipif(building.command() is None, reason="no C++ compiler")
HERE = Path(__file__).parent


def run(*words):
    parser = ArgumentParser()
    check.add_arguments(parser)
    return check.main(parser.parse_args([str(word) for word in words]))


@needs_compiler
def test_the_launch_in_a_file(capsys):
    assert run(HERE / "right" / "saxpy.cu") == 0
    assert "saxpy: nothing is wrong" in capsys.readouterr().out
    assert run(HERE / "wrong" / "no_bounds_check.cu") == 1
    told = capsys.readouterr().out
    assert "line 5: out of bounds: a read of 4 bytes at x[1000]" in told
    assert "   5 | y[i] = a * x[i] + y[i];" in told


@needs_compiler
def test_a_cooperative_launch_in_a_comment_and_in_an_option(capsys, tmp_path):
    source = (HERE / "right" / "grid_steps.cu").read_text()
    file = tmp_path / "steps.cu"
    file.write_text(source)
    assert run(file) == 0
    file.write_text(source.replace("// cooperative launch:", "// launch:"))
    assert run(file) == 1
    assert "make the kernel with enable_cooperative_groups=True" in " ".join(capsys.readouterr().out.split())
    assert run(file, "--cooperative") == 0


@needs_compiler
def test_the_launch_in_options_and_json(capsys):
    options = ("--kernel transpose --grid 1,1 --block 32x8 --json --arg x=float32[32,32]:random --arg y=float32[32,32] "
               "--arg 32 --arg columns=32")  # fmt: skip
    assert run(HERE / "right" / "transpose_padded.cu", *options.split()) == 0
    [launch] = json.loads(capsys.readouterr().out)
    assert launch["findings"] == []
    stores = [c for c in launch["counters"] if c["space"] == "global" and c["operation"] == "store"]
    assert [(c["requests"], c["transactions"], c["ideal"]) for c in stores] == [(32, 128, 128)]


@pytest.mark.parametrize(("options", "expected"), [
    ("", [((4,), (32,), 8, "5", "int32[9]")]),
    ("--grid 2,3", [((2, 3), (32,), 8, "5", "int32[9]")]),
    ("--block 8x8 --shared 0", [((4,), (8, 8), 0, "5", "int32[9]")]),
    ("--arg n=7", [((4,), (32,), 8, "7", "int32[9]")]),
])  # fmt: skip
def test_options_change_their_part_of_the_launch_in_a_file(options, expected):
    source = "// launch: k<<<4, 32, 8>>>(n = 5, x = int32[9])\n__global__ void k(int n, int* x) {}\n"
    parser = ArgumentParser()
    check.add_arguments(parser)
    found = check.launches(parser.parse_args(["k.cu", *options.split()]), source)
    assert [(each.grid, each.block, each.shared, *dict(each.arguments).values()) for each in found] == expected
    [positional] = check.launches(parser.parse_args(["k.cu", "--arg", "1", "--arg", "null"]), source)
    assert positional.arguments == (("", "1"), ("", "null"))
    for option in ("--grid 2,y", "--block y", "--shared y"):
        with pytest.raises(ArgumentError, match=f"{option}: 'y' is no integer"):
            check.launches(parser.parse_args(["k.cu", *option.split()]), source)
    twice = source + source.partition("\n")[0].replace("<<<4", "<<<5")
    assert len(check.launches(parser.parse_args(["k.cu"]), twice)) == 2
    assert len(check.launches(parser.parse_args(["k.cu", "--grid", "6"]), twice)) == 1


@needs_compiler
def test_more_dynamic_memory_than_a_launch_has_unasked_is_asked_for(tmp_path, capsys):
    large = tmp_path / "large.cu"
    large.write_text("extern __shared__ float s[];\n__global__ void k(float* o) { s[14999] = 5; o[0] = s[14999]; }\n"
                     "// launch: k<<<1, 1, 60000>>>(float32[1])\n")  # fmt: skip
    assert run(large) == 0
    assert run(large, "--shared", 300_000) == 2
    assert "232448 is the most" in capsys.readouterr().err


@needs_compiler
def test_what_cannot_be_checked_is_status_two(tmp_path, capsys):
    broken = tmp_path / "broken.cu"
    for text, told in {
        "__global__ void k(int* x) { x[0] = y; }\n// launch: k<<<1, 1>>>(int32[1])": "broken.cu:1:",
        '__global__ void k() { asm(""); }\n// launch: k<<<1, 1>>>()': "inline PTX",
        "__global__ void k(int* x, float y) { }\n// launch: k<<<1, 1>>>(x = int32[1])": "nothing is given for",
        "__global__ void k(int* x) { }\n__global__ void l(int* x) { }": "name the kernel with --kernel",
        "__global__ void k(int* x) { }\n// launch: k<<1, 1>>(x = int32[1])": "this launch is not understood",
    }.items():
        broken.write_text(text)
        assert run(broken) == 2
        assert told in capsys.readouterr().err
    assert run(tmp_path / "missing.cu") == 2
    broken.write_bytes(b"\xff\xfe")
    assert run(broken) == 2


def test_launches_as_text():
    launch = read_launch("add<float, 4><<<(2, 3), 64, 128>>>(x = float32[2, 3]:arange, int64[4]:random, n = 0x10)")
    assert (launch.kernel, launch.grid, launch.block, launch.shared) == ("add<float, 4>", (2, 3), (64,), 128)
    parameters = tuple(Parameter(name, name != "n", False, "integer", size, kind)
                       for name, size, kind in [("x", 8, "float*"), ("y", 8, "long*"), ("n", 4, "int")])  # fmt: skip
    x, y, n = values(parameters, launch.arguments)
    np.testing.assert_array_equal(x, np.arange(6, dtype=np.float32).reshape(2, 3))
    assert (y.dtype, y.shape, n) == (np.int64, (4,), 16)
    one, number = parameters[:1], parameters[2:]
    for wrong, told in {"float33[3]": "no dtype", "float32[99999999999]": "more than", "float32[3]:blue": "fills no",
                        "five": r"pointer; it takes an array such as float32\[1024\], or null, not five",
                        "5": "takes an array"}.items():  # fmt: skip
        with pytest.raises(ArgumentError, match=told):
            values(one, (("x", wrong),))
    for wrong, told in {"int32[3]": "`int n` is no pointer; it takes a number, not int32", "null": "no pointer",
                        "five": "`int n` takes a number, not 'five'"}.items():  # fmt: skip
        with pytest.raises(ArgumentError, match=told):
            values(number, (("n", wrong),))
    with pytest.raises(ArgumentError, match="no parameter 'z'; it has x"):
        values(one, (("z", "1"),))
    with pytest.raises(ArgumentError, match="too much"):
        values(one, (("x", "null"), ("", "5")))


@pytest.mark.parametrize(("kind", "given", "fits"), [
    ("const float*", "float32", True), ("const float*", "float64", False), ("float*", "int32", False),
    ("int*", "uint32", True), ("int*", "float32", False), ("__half*", "uint16", True), ("float4*", "float32", True),
])  # fmt: skip
def test_an_array_in_words_has_the_numbers_that_the_kernel_reads(kind, given, fits):
    parameters = (Parameter("x", True, False, "other", 8, kind),)
    if fits:
        values(parameters, [("x", f"{given}[4]")])
    else:
        with pytest.raises(ArgumentError, match=rf"x` points to \w+, and an array of {given} is given"):
            values(parameters, [("x", f"{given}[4]")])


@needs_compiler
def test_a_report_is_as_narrow_as_the_terminal_and_a_timeout_positive(capsys, monkeypatch):
    file = HERE / "wrong" / "no_bounds_check.cu"
    for columns, widest in (("72", 72), ("200", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        assert run(file) == 1
        widths = [len(line) for line in capsys.readouterr().out.splitlines()]
        assert widest - 20 < max(widths) <= widest
    assert run(file, "--timeout", "-1") == 2
    assert "--timeout is a number of seconds, not -1" in capsys.readouterr().err
