"""What is made from the code while the site is built: op cards, lessons, the picture of the imports, exported screens.

What is made this way cannot disagree with what it shows. All of it finds its subjects by itself, so that a
new op, lesson or module needs no word here.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
import textwrap
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import grimp
import jupytext
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import teachgrad.cli as cli
import teachgrad.tensor  # noqa: F401  (importing it registers every op)
from teachgrad.op import REGISTRY
from teachgrad.passes import RULES

ROOT = Path(__file__).parents[2]
EXPORTED = {
    "tutorial/chain.svg": ["--screen", "chain", "--at", "t0/bwd/a.grad", "--size", "88x22"],
    "tutorial/tape.html": ["--at", "t0/bwd/9"],
}
"""Screens of the smallest demo, and how the inspector is asked for them."""
LESSONS = sorted((ROOT / "lessons" / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def on_config(config: MkDocsConfig) -> None:
    """Put each lesson into the navigation, below the page on lessons."""
    for entry in config.nav or []:
        if isinstance(entry, dict) and "Lessons" in entry:
            entry["Lessons"] += [f"lessons/{lesson.stem}.md" for lesson in LESSONS]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the generated pages to those that are written by hand."""
    files.append(File.generated(config, "reference/ops.md", content=op_cards()))
    files.append(File.generated(config, "reference/rules.md", content=rule_cards()))
    for file, settings in EXPORTED.items():
        files.append(File.generated(config, file, content=exported(file, settings)))
    for lesson in LESSONS:
        files.append(File.generated(config, f"lessons/{lesson.stem}.md", content=markdown(lesson)))


def on_page_markdown(text: str, page: Page, **_: Any) -> str:
    """Draw the imports where the page on the architecture asks for them; put in exported screens, and links to them."""
    if page.file.src_uri == "architecture.md":
        return text.replace("{{ imports }}", f"```text\n{import_picture()}\n```")
    if page.file.src_uri == "tutorial/outside-the-terminal.md":
        text = text.replace("{{ chain.svg }}", "![The chain rule of a gradient, with its numbers](chain.svg)")
        return text.replace("{{ tape.html }}", "[Such a page](tape.html).")
    return text


def exported(file: str, settings: list[str]) -> str:
    """What `teachgrad inspect --output` writes into a file of this name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(file).name)
        command = ["inspect", "--demo", "micrograd", *settings, "--output", str(path)]
        if cli.main(command) != 0:
            raise PluginError(f"teachgrad {' '.join(command)} has failed")
        return path.read_text(encoding="utf-8")


def import_picture() -> str:
    """The parts of teachgrad from top to bottom, each with the parts that it imports."""
    graph = grimp.build_graph("teachgrad")
    parts = sorted(graph.find_children("teachgrad") - {"teachgrad.__main__"})
    imported = {
        part: [
            other
            for other in parts
            if other != part and graph.direct_import_exists(importer=part, imported=other, as_packages=True)
        ]
        for part in parts
    }
    depth: dict[str, int] = {}
    for part in TopologicalSorter(imported).static_order():
        depth[part] = 1 + max((depth[other] for other in imported[part]), default=0)
    lines = []
    for part in sorted(parts, key=lambda part: (-depth[part], part)):
        below = sorted(imported[part], key=lambda other: -depth[other])
        line = f"{_short(part):<12}" + ", ".join(map(_short, below))
        lines.append(textwrap.fill(line, 80, subsequent_indent=" " * 12))
    return "\n".join(lines)


def _short(part: str) -> str:
    return part.removeprefix("teachgrad.")


def op_cards() -> str:
    """One section for each family of ops, which is a module of `teachgrad.ops`, with the cards of its ops."""
    families: dict[str, list[str]] = defaultdict(list)
    for name, op in REGISTRY.items():
        families[type(op).__module__].append(f"### `{name}`\n\n``` {{.text .card}}\n{op.card()}\n```\n")
    parts = [
        "# Ops\n",
        f"All {len(REGISTRY)} operations, as their own `card()` describes them: the maths, the derivative\n"
        "with respect to each input, and the C expression that generated code shares.\n",
    ]
    for module, cards in families.items():
        about = inspect.getdoc(sys.modules[module]) or ""
        parts += [f"## {module.rpartition('.')[2]}\n", f"{about}\n", *cards]
    return "\n".join(parts)


def rule_cards() -> str:
    """One section for each file of rules, with the cards of its rules."""
    files: dict[str, list[str]] = defaultdict(list)
    for rule in RULES.values():
        files[rule.function.__module__].append(f"### `{rule.__name__}`\n\n``` {{.text .card}}\n{rule.card()}\n```\n")
    parts = [
        "# Rules of rewriting\n",
        f"All {len(RULES)} rules of level O2, as their own `card()` describes them: the mathematics, what is won, how\n"
        "far the value may move, where it exists that did not before, and where the rule comes from.\n",
    ]
    for module, cards in files.items():
        parts += [f"## {module.rpartition('.')[2]}\n", f"{inspect.getdoc(sys.modules[module]) or ''}\n", *cards]
    return "\n".join(parts)


def markdown(notebook: Path) -> str:
    """A notebook as a page, with a word on where to work through it."""
    parts = [
        cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```"
        for cell in jupytext.read(notebook).cells
    ]
    work = f"This page is for reading. To do the lesson, open `lessons/notebooks/{notebook.name}` in Jupyter."
    parts.insert(1, f'!!! note "Work through it"\n    {work}')
    return "\n\n".join(parts) + "\n"
