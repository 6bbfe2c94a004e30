"""Questions about what is on the screen: what if, where from, compared with what."""

from __future__ import annotations

from teachgrad.errors import TeachgradError

from ..learning.past import is_shut
from ..numbers import index
from ..views.chain import element_of
from ..views.compare import chosen_pair, comparison, other_of
from ..views.explain import chosen_number
from ..views.memory import candidate_line
from ..views.whatif import edit_of
from .acting import Acting


class Asking(Acting):
    """The part of the application that answers questions."""

    before_question: str = "tape"
    """The screen to which an answer gives way."""

    def action_explain(self) -> None:
        """Where the number here comes from; on Explain, the chosen one in turn."""
        if self.shown == "explain" and not self._is_read():
            return
        moment = chosen_number(self.seen, self.moment, self.options) if self.shown == "explain" else None
        if moment is None:
            self._set(screen="explain")
        else:
            self._set(moment, element=moment.element, line=None)

    def action_what_if(self) -> None:
        """Ask for a change of what this row is about; on Memory, compute the chosen value again, or keep it."""
        if self._is_shut("what-if"):
            return
        if self.shown != "memory":
            row = self.session.row(self.moment)
            element = element_of(self.session, self.moment, row, self.options)
            self._ask(f"what if {self.session.name(row.vertex, self.moment.step)}{index(element or ())} = ")
            return
        _, vertex = candidate_line(self.session, self.moment, self.options)
        if vertex is None:
            self._refuse("nothing lies idle here that could be computed again")
        else:
            self._set(dropped=self.options.dropped ^ {vertex})

    def change(self, text: str) -> None:
        """Show what becomes of a change."""
        try:
            edit = edit_of(self.session, text, self.moment)
        except TeachgradError as error:
            self._refuse(str(error))
            return
        self._leave_for("what-if")
        self._set(screen="what-if", edit=edit)

    def action_compare(self) -> None:
        if not self._is_shut("compare"):
            self._ask("compare with ")

    def compare(self, text: str) -> None:
        """Compare with a training step, or with another recording."""
        try:
            other = other_of(self.session, text, self.opened)
        except TeachgradError as error:
            self._refuse(str(error))
            return
        self._leave_for("compare")
        self._set(screen="compare", other=other, line=None)

    def _is_shut(self, screen: str) -> bool:
        """Whether there would be no answer, because somebody predicts; then say so."""
        shut = is_shut(screen, self.moment, self.options)
        if shut:
            self._refuse("not as long as you predict: it would tell what is to come; p ends predicting")
        return shut

    def _leave_for(self, screen: str) -> None:
        if self.shown != screen:
            self.before_question = self.shown

    def go_to_pair(self) -> None:
        """To the chosen row of the comparison, on the tape."""
        found = comparison(self.session, self.moment, self.options)
        at = chosen_pair(self.session, self.moment, self.options)
        row = found.pairs[at].left if found is not None and at is not None else None
        if row is None:
            self._refuse("this row is in the other recording only")
        else:
            self._set(row.moment, screen="tape")
