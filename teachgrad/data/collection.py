"""What is known in advance about data sets that have to be fetched: their files, sizes, digests and mirrors.

The SHA-256 digests and sizes are those in the checksum lists of TensorFlow Datasets (`url_checksums/mnist.txt` and
`fashion_mnist.txt`). The digests of Fashion-MNIST's two label files were also computed from the authors' own
repository, where the MD5 digests are those in its README.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file somewhere else: its name, its size in bytes, the SHA-256 of its bytes in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """One half of a collection, training or test: how many pictures, and the files they are in."""

    count: int
    images: RemoteFile
    labels: RemoteFile


@dataclass(frozen=True, slots=True)
class Collection:
    """A data set of 28x28 pictures in ten classes, and where its four files can be had (addresses ending in /)."""

    name: str
    about: str
    licence: str
    mirrors: tuple[str, ...]
    train: Part
    test: Part

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        return (self.train.images, self.train.labels, self.test.images, self.test.labels)

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(file.size for file in self.files)


MNIST = Collection(
    name="mnist",
    about="handwritten digits, 28x28, 60,000 and 10,000",
    licence="CC BY-SA 3.0 (Y. LeCun and C. Cortes)",
    mirrors=("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    train=Part(
        60_000,
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
    ),
    test=Part(
        10_000,
        RemoteFile(
            "t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    ),
)

FASHION_MNIST = Collection(
    name="fashion_mnist",
    about="pictures of clothes, 28x28, 60,000 and 10,000",
    licence="MIT (Zalando SE)",
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    train=Part(
        60_000,
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
    ),
    test=Part(
        10_000,
        RemoteFile(
            "t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    ),
)

COLLECTIONS: Mapping[str, Collection] = MappingProxyType({c.name: c for c in (MNIST, FASHION_MNIST)})
