"""List the data sets, or fetch one into the cache before it is needed.

What comes with teachgrad needs no network. TEACHGRAD_CACHE says where fetched files are kept, TEACHGRAD_DATA_MIRROR
names a server to ask first, TEACHGRAD_OFFLINE=1 forbids the network.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

BUNDLED = {
    "digits": ("handwritten digits, 8x8, 1,437 and 360", "CC BY 4.0 (E. Alpaydin and C. Kaynak)"),
    "text": ("Python's documentation, 464,970 characters", "PSF-2.0 (Python Software Foundation)"),
}


def add_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="name the data sets, where they are and their licences")
    get = actions.add_parser("get", help="fetch data sets into the cache")
    get.add_argument("names", nargs="+", metavar="NAME", help="mnist or fashion_mnist")


def main(args: Namespace) -> int:
    if args.action == "list":
        _list()
    else:
        _get(args.names)
    return 0


def _list() -> None:
    from .catalogue import folder_of
    from .collection import COLLECTIONS

    for name, (about, licence) in BUNDLED.items():
        print(f"{name:<15}{about:<48}{'comes with teachgrad':<24}{licence}")
    for name, collection in COLLECTIONS.items():
        here = all((folder_of(name) / file.name).is_file() for file in collection.files)
        place = "in the cache" if here else f"{collection.size / 1e6:.1f} MB to fetch"
        print(f"{name:<15}{collection.about:<48}{place:<24}{collection.licence}")


def _get(names: list[str]) -> None:
    from .catalogue import get

    for name in names:
        print(f"{name} comes with teachgrad" if name in BUNDLED else f"{name} is in {get(name)}")
