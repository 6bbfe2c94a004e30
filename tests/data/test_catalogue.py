"""mnist(), fashion_mnist(), get() and the data command, with small stand-ins served from this machine."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import teachgrad as tg
from teachgrad import cli
from teachgrad.data import catalogue, command
from teachgrad.data.collection import COLLECTIONS, FASHION_MNIST, MNIST, Collection, Part, RemoteFile
from teachgrad.errors import DataError

from .conftest import Server, serve

rng = np.random.default_rng(0)
ARRAYS = {
    "train-images-idx3-ubyte.gz": rng.integers(0, 256, (7, 28, 28), np.uint8),
    "train-labels-idx1-ubyte.gz": rng.integers(0, 10, 7, np.uint8),
    "t10k-images-idx3-ubyte.gz": rng.integers(0, 256, (3, 28, 28), np.uint8),
    "t10k-labels-idx1-ubyte.gz": rng.integers(0, 10, 3, np.uint8),
}


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


class Stage:
    """Puts a small collection in the place of a real one, and serves its files."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.monkeypatch = server, monkeypatch

    def play(self, real: Collection, arrays: dict[str, np.ndarray], mirrors: tuple[str, ...] = ()) -> None:
        files = []
        for name, array in arrays.items():
            data = idx(array)
            self.server.answers[f"/{real.name}/{name}"] = serve(data)
            files.append(RemoteFile(name, len(data), hashlib.sha256(data).hexdigest()))
        small = Collection(real.name, "", "", mirrors, Part(7, *files[:2]), Part(3, *files[2:]))
        self.monkeypatch.setattr(catalogue, "COLLECTIONS", MappingProxyType({real.name: small}))


@pytest.fixture
def stage(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    monkeypatch.setenv("TEACHGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TEACHGRAD_DATA_MIRROR", server.url)
    monkeypatch.delenv("TEACHGRAD_OFFLINE", raising=False)
    return Stage(server, monkeypatch)


@pytest.mark.parametrize("real", [MNIST, FASHION_MNIST], ids=lambda collection: collection.name)
def test_from_the_server_to_the_arrays(stage: Stage, real: Collection, tmp_path: Path) -> None:
    stage.play(real, ARRAYS)
    for flatten, shape in ((False, (1, 28, 28)), (True, (784,))):
        train, test = getattr(tg.data, real.name)(flatten=flatten)
        assert (len(train), len(test)) == (7, 3)
        x, y = train[:]
        assert (x.shape, x.dtype, y.dtype) == ((7, *shape), np.float32, np.int64)
        assert np.array_equal(x.reshape(7, 28, 28), ARRAYS["train-images-idx3-ubyte.gz"] / np.float32(255))
        assert np.array_equal(test[:][1], ARRAYS["t10k-labels-idx1-ubyte.gz"])
    raw, _ = getattr(tg.data, real.name)(scale=False)[1][:]
    assert np.array_equal(raw[:, 0], ARRAYS["t10k-images-idx3-ubyte.gz"])
    assert len(stage.server.requests) == 4  # the second and third time they were in the cache
    assert tg.data.get(real.name) == tmp_path / "cache" / "data" / real.name


def test_a_mirror_of_ones_own_comes_first_and_is_not_needed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.play(MNIST, ARRAYS, mirrors=(f"{stage.server.url}mnist/",))
    monkeypatch.setenv("TEACHGRAD_DATA_MIRROR", f"{stage.server.url}own/")
    tg.data.mnist()
    assert [path for path, _ in stage.server.requests[:2]] == [
        "/own/mnist/train-images-idx3-ubyte.gz",
        "/mnist/train-images-idx3-ubyte.gz",
    ]


def test_the_cache_follows_xdg(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stage.play(MNIST, ARRAYS)
    monkeypatch.delenv("TEACHGRAD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert tg.data.get("mnist") == tmp_path / "xdg" / "teachgrad" / "data" / "mnist"


def test_without_a_network_the_bundled_digits_are_named(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.play(MNIST, ARRAYS)
    monkeypatch.setenv("TEACHGRAD_OFFLINE", "1")
    with pytest.raises(DataError, match=r"tg\.data\.digits\(\) needs no network"):
        tg.data.mnist()
    monkeypatch.delenv("TEACHGRAD_OFFLINE")
    stage.server.answers.clear()
    with pytest.raises(DataError, match=r"(?s)HTTP 404.*tg\.data\.digits\(\) needs no network"):
        tg.data.mnist()


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("train-images-idx3-ubyte.gz", np.zeros((7, 28, 27), np.uint8), "not uint8 of shape"),
        ("t10k-labels-idx1-ubyte.gz", np.zeros(4, np.uint8), "not uint8 of shape"),
        ("train-labels-idx1-ubyte.gz", np.full(7, 10, np.uint8), "has the label 10"),
    ],
)
def test_files_that_hold_something_else_are_refused(stage: Stage, name: str, array: np.ndarray, complaint: str) -> None:
    stage.play(MNIST, ARRAYS | {name: array})
    with pytest.raises(DataError, match=complaint):
        tg.data.mnist()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"no data set 'imagenet'.* mnist, fashion_mnist.*tg\.data\.digits"):
        tg.data.get("imagenet")


def test_the_real_collections() -> None:
    """Sizes as published with MNIST, and by the servers of Fashion-MNIST; https alone; digests of the right form."""
    assert [file.size for file in MNIST.files] == [9_912_422, 28_881, 1_648_877, 4_542]
    assert [file.size for file in FASHION_MNIST.files] == [26_421_880, 29_515, 4_422_102, 5_148]
    for collection in COLLECTIONS.values():
        assert len(collection.mirrors) >= 2
        for mirror in collection.mirrors:
            assert mirror.startswith("https://")
            assert mirror.endswith("/")
        for file in collection.files:
            assert len(bytes.fromhex(file.sha256)) == 32
    assert len({file.sha256 for c in COLLECTIONS.values() for file in c.files}) == 8


def test_the_command_gets(stage: Stage, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    stage.play(MNIST, ARRAYS)
    assert cli.main(["data", "get", "digits", "mnist"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == ["digits comes with teachgrad", f"mnist is in {tmp_path / 'cache' / 'data' / 'mnist'}"]
    assert cli.main(["data", "get", "cifar"]) == 1
    assert "there is no data set 'cifar'" in capsys.readouterr().err


def test_the_command_lists(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEACHGRAD_CACHE", str(tmp_path))
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for file in MNIST.files:
        (folder / file.name).touch()
    assert cli.main(["data", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(lines) == [*command.BUNDLED, *COLLECTIONS]
    assert "comes with teachgrad" in lines["digits"]
    assert "in the cache" in lines["mnist"]
    assert "30.9 MB to fetch" in lines["fashion_mnist"]
    assert "CC BY 4.0" in lines["digits"]
