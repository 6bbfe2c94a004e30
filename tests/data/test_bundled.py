"""The bundled data are what they are said to be."""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from teachgrad.data import digits, optdigits, text
from teachgrad.errors import DataError

FOLDER = optdigits.BUNDLED


def test_the_digits_are_those_of_the_repository() -> None:
    """Counts by class, from the page of the UCI repository: "No of examples in testing set"."""
    train, test = digits(scale=False)
    x, y = (np.concatenate(pair) for pair in zip(train[:], test[:], strict=True))
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (x.dtype, y.dtype, x.shape) == (np.uint8, np.int64, (1797, 1, 8, 8))
    assert (x.min(), x.max()) == (0, 16)
    assert hashlib.sha256(x.tobytes()).hexdigest() == "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"


@pytest.mark.oracles("sklearn")
def test_the_digits_are_those_of_scikit_learn() -> None:
    x, y = importlib.import_module("sklearn.datasets").load_digits(return_X_y=True)
    train, test = digits(flatten=True)
    assert (len(train), len(test)) == (1437, 360)
    for part, rows in ((train, slice(1437)), (test, slice(1437, None))):
        assert np.array_equal(part[:][0], x[rows] / 16)
        assert np.array_equal(part[:][1], y[rows])


@pytest.mark.oracles("sklearn")
def test_the_stated_accuracies() -> None:
    """The docstring's 0.900 and 0.967 for the ordered split."""
    models = {
        0.900: importlib.import_module("sklearn.linear_model").LogisticRegression(max_iter=2000),
        0.967: importlib.import_module("sklearn.neighbors").KNeighborsClassifier(3),
    }
    train, test = digits(flatten=True)
    for stated, model in models.items():
        assert model.fit(*train[:]).score(*test[:]) == pytest.approx(stated, abs=0.004)


def test_layout() -> None:
    (picture, label), _ = digits()[0][0], None
    assert (picture.shape, picture.dtype, label) == ((1, 8, 8), np.float32, 0)
    flat, _ = digits(flatten=True)[0][0]
    assert np.array_equal(flat, picture.ravel())
    raw, _ = digits(flatten=True, scale=False)[0][0]
    assert np.array_equal(raw, flat * 16)


def test_the_random_split_is_the_one_stated() -> None:
    ordered = np.concatenate([part[:][0] for part in digits()])
    order = np.random.Generator(np.random.Philox(key=[3, 0])).permutation(1797)
    train, test = digits(split="random", seed=3)
    assert np.array_equal(train[:][0], ordered[order[:1437]])
    assert np.array_equal(test[:][0], ordered[order[1437:]])
    with pytest.raises(DataError, match="'ordered' or 'random'"):
        digits(split="shuffled")  # type: ignore[arg-type]


def test_the_text_is_pinned() -> None:
    pinned = text()
    assert (len(pinned), len(set(pinned))) == (464_970, 103)
    digest = hashlib.sha256(pinned.encode()).hexdigest()
    assert digest == "37d06970fc926e60c16dff401e441b84752446a36b6b64516c229fdec77e992c"


def test_the_text_of_this_python() -> None:
    running = text(pinned=False)
    assert (running == text()) == (sys.version_info[:3] == (3, 11, 7))
    assert importlib.import_module("pydoc_data.topics").topics["while"] in running


def test_sources_and_licences_are_stated() -> None:
    stated = (FOLDER / "LICENSE-data.txt").read_text()
    for phrase in ("Alpaydin", "CC BY 4.0", "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2", "scikit-learn developers"):
        assert phrase in stated
    assert {"digits.npz", "topics.txt.gz"} == {path.name for path in FOLDER.iterdir() if path.suffix in (".npz", ".gz")}


def test_the_bundle_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in Path(FOLDER).iterdir()}
    assert sizes["digits.npz"] < 50_000
    assert sizes["topics.txt.gz"] < 150_000
