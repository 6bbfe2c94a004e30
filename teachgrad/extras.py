"""Which extra of the distribution brings a module that teachgrad itself does without."""

from __future__ import annotations

EXTRA_OF = {
    "textual": "inspector",
    "rich": "inspector",
    "graphviz": "inspector",
    "textual_serve": "serve",
    "aiohttp": "serve",
    "resvg_py": "images",
    "pygraphviz": "images",
    "cupy": "gpu",
    "jupytext": "lessons",
    "nbconvert": "lessons",
    "nbclient": "lessons",
    "nbformat": "lessons",
    "ipykernel": "lessons",
}


def how_to_install(module: str) -> str:
    """The command that brings a missing module, the smallest extra that has it.

    >>> how_to_install("textual.widgets")
    'python -m pip install "teachgrad[inspector]"'
    """
    package = module.partition(".")[0]
    extra = EXTRA_OF.get(package)
    return f'python -m pip install "teachgrad[{extra}]"' if extra else f"python -m pip install {package}"
