"""Finding: search, filters and slices."""

from __future__ import annotations

from collections.abc import Callable

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment

from .. import navigation
from ..learning.past import keep_gives_away
from ..queries import query
from ..session import Keep
from ..slicing import WAYS, Slice, Ways, slice_at
from .acting import Acting
from .stopping import QUICK_ROWS


class Finding(Acting):
    """The part of what keys do that finds rows, and shows those alone that belong together."""

    searched: str = ""
    """What was searched for last."""

    # ---- search ------------------------------------------------------------------------------------------------------

    def action_search(self) -> None:
        self._ask("/")

    def search(self, text: str) -> None:
        """Go to the next row that a query is true of."""
        self.searched = text or self.searched
        self.action_again(True)

    def action_again(self, forward: bool) -> None:
        """The next match: at once if it is near, else looked for in the background."""
        if not self.searched:
            self._refuse("nothing was searched for yet: press /")
            return
        try:
            if self._gives_away(query(self.searched)):
                return
        except TeachgradError as error:
            self._refuse(str(error))
            return
        text, moment, keep, left = self.searched, self.moment, self.options.keep, QUICK_ROWS

        def near(step: int) -> bool:
            nonlocal left
            left -= self.session.run.length(step)
            return left >= 0

        def find(going: Callable[[int], bool]) -> tuple[Moment | None, str]:
            try:
                found = navigation.search(self.session, moment, text, forward, keep, going)
            except TeachgradError as error:
                return None, str(error)
            return found, "" if found is not None else f"{text!r} is not found"

        found, message = find(near)
        if found is not None:
            self._set(found)
        elif left >= 0:
            self._refuse(message)
        else:
            self.seek(f"looking for {text!r}", find, lambda found: self._arrived(*found))

    # ---- a part of the rows ------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        self._ask("& ")

    def filter(self, text: str) -> None:
        """Show only the rows that a query is true of."""
        try:
            wanted = query(text)
            if not self._gives_away(wanted):
                self.keep(wanted)
        except TeachgradError as error:
            self._refuse(str(error))

    def _gives_away(self, keep: Keep) -> bool:
        """Whether those rows would tell what is to be predicted; then they are refused."""
        why = keep_gives_away(keep) if self.options.predict else ""
        if why:
            self._refuse(why)
        return bool(why)

    def action_slice(self, ways: Ways | None = None) -> None:
        """Show only what this value comes from; then what comes of it, both, and all again. With `ways`, that."""
        if not self._is_read():
            return
        row = self.session.row(self.moment)
        wanted = slice_at(self.session.step(self.moment), row, ways or "ancestors")
        if self._gives_away(wanted):
            return
        now = self.options.keep
        if ways is None and isinstance(now, Slice):
            after = (*WAYS, None)[WAYS.index(now.ways) + 1]
            self.keep(Slice(now.label, now.nth, after) if after is not None else None)
            return
        self.keep(wanted)

    def keep(self, keep: Keep | None) -> None:
        """Show a part of the rows, and go to the next of them; or all rows."""
        self._set(keep=keep, ahead=True)

    def settle(self) -> None:
        """If only a part of the rows is shown, of which this one is none: go to the next one in the direction of the
        move. After a jump, stay here, with all rows shown and a message."""
        keep = self.options.keep
        rows = self.session.kept_rows(self.moment.step, keep)
        message = ""
        if keep is not None and rows is None:
            message = self.session.told_kept(self.moment.step, keep)
        elif rows is not None and self.moment.row not in rows:
            if self._ahead is None:
                self.options = self.options.but(keep=None)
                message = "all rows are shown again: this one was not among those that were kept"
            else:
                self.moment = navigation.settled(self.session, self.moment, self.options.folded, self._ahead, keep)
        self._message = self._message or message
