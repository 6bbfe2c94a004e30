"""Compile CUDA kernels, find their mistakes and climb their ladders: no GPU is needed.

`teachgrad cuda SUBCOMMAND --help` says more about each subcommand.
"""

from __future__ import annotations

import importlib
import inspect
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

SUBCOMMANDS = {
    "check": "teachgrad_gpu.commands.check",
    "compile": "teachgrad_gpu.commands.compile",
    "ladder": "teachgrad_gpu.commands.ladder",
    "puzzle": "teachgrad_gpu.commands.puzzle",
    "step": "teachgrad_gpu.commands.step",
}
"""name -> module with `add_arguments(parser)` and `main(args) -> int`; its docstring is the help."""


def add_arguments(parser: ArgumentParser) -> None:
    subparsers = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for name, module_name in SUBCOMMANDS.items():
        module = importlib.import_module(module_name)
        text = inspect.getdoc(module) or ""
        subparser = subparsers.add_parser(name, help=text.partition("\n")[0], description=text,
                                          formatter_class=RawDescriptionHelpFormatter)
        module.add_arguments(subparser)
        subparser.set_defaults(subcommand=module.main)


def main(args: Namespace) -> int:
    return int(args.subcommand(args))
