"""The user's source in a recording: places in it, and what it calls the things that it computes there."""

from __future__ import annotations

from pathlib import Path

from ..errors import RecordingError
from .names import Names, names_in
from .step import Site
from .store import Store
from .text import clean


class Sources:
    """Reads places by their numbers, and the files that they are in."""

    def __init__(self, path: Path, store: Store) -> None:
        self._path, self._store = path, store
        self._sites: dict[int, Site] = {}
        self._files: dict[str, str] = {}
        self._spans: dict[str, dict[tuple[int, int, int], Names]] = {}
        self.called: dict[int, Names] = {}
        """What the source calls the results of each place that has been read."""

    def site(self, number: int) -> Site:
        """A place in the source."""
        site = self._sites.get(number)
        if site is None:
            found = self._store.row("SELECT file, line, function, first, last, text FROM site WHERE id = ?", number)
            if found is None or [type(item) for item in found] != [str, int, str, int, int, str]:
                raise RecordingError(f"{self._path} is damaged: place {number} in the source is missing")
            file, line, function, first, last, text = found
            site = self._sites[number] = Site(clean(file), line, clean(function), first, last, clean(text))
            if file not in self._spans:
                source = self._store.row("SELECT text FROM source WHERE file = ?", file)
                text = source[0] if source is not None and isinstance(source[0], str) else ""
                self._files[site.file] = text
                self._spans[file] = names_in(text)
            names = self._spans[file].get((line, first, last))
            if names is not None:
                self.called[number] = names
        return site

    def lines(self, file: str) -> list[str]:
        """The lines of a source file as it was when it ran; none if it was not kept."""
        return [clean(line) for line in self._files.get(file, "").splitlines()]
