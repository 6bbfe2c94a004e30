"""Going into what is chosen and out again: modules unfold; findings, pairs and numbers lead to their place."""

from __future__ import annotations

from collections.abc import Callable

from ..views.doctor import chosen_finding, report
from ..views.explain import chosen_number
from ..views.map import level_at, module_here
from .acting import Acting


class Opening(Acting):
    """The part of the application that opens and folds."""

    action_stop_at: Callable[[bool], None]
    go_to_pair: Callable[[], None]

    def action_open(self) -> None:
        """On Doctor and Stops go to what is chosen; unfold what is folded here, on Map go into the module, else show
        the chain rule."""
        if not self._is_read():
            return
        if self.shown == "stops":
            self.action_stop_at(True)
            return
        if self.shown == "compare":
            self.go_to_pair()
            return
        if self.shown == "explain":
            moment = chosen_number(self.seen, self.moment, self.options)
            self._set(moment, screen="tape", element=moment.element if moment is not None else None)
            return
        if self.shown == "doctor":
            if (at := chosen_finding(self.session, self.options)) is not None:
                self._set(self.session.run.resolve(report(self.session).findings[at].moment), screen="tape")
            return
        folded = self._fold_here()
        if self.shown == "passes":
            self._set(screen="kernels")
            return
        if self.shown == "map" and (module := module_here(self.session, self.moment, self.options)):
            self._set(level=module)
            return
        if self.shown == "tape" and folded is not None:
            self._set(folded=self.options.folded - {folded})
        else:
            self._set(screen="chain")

    def action_up(self) -> None:
        """On Map out of the module; back to the tape; there, fold the module that this row stands in."""
        if self.shown == "map" and (level := level_at(self.session, self.moment, self.options)):
            self._set(level=level.rpartition(".")[0])
            return
        if self.shown != "tape":
            self._set(screen="tape")
            return
        lanes = self.session.lanes(self.moment.step, self.options.folded, self.options.keep)
        scope = self._fold_here() or lanes.scopes[self.moment.row]
        if self._fold_here() is not None:
            scope = scope.rpartition(".")[0]
        if scope:
            self._set(folded=self.options.folded | {scope})
        else:
            self._refuse("no module here to fold")

    def action_fold(self) -> None:
        """Fold the innermost module of this row that is not folded, or unfold what is."""
        here = self._fold_here()
        scope = self.session.lanes(self.moment.step, self.options.folded, self.options.keep).scopes[self.moment.row]
        if here is not None:
            self._set(folded=self.options.folded - {here})
        elif scope:
            self._set(folded=self.options.folded | {scope})
        else:
            self._refuse("no module here to fold")

    def _fold_here(self) -> str | None:
        lanes = self.session.lanes(self.moment.step, self.options.folded, self.options.keep)
        return lanes.items[lanes.item_of(self.moment.row)].fold
