"""Where `teachgrad inspect` begins: the moment, the screen and the options that the command asks for."""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from dataclasses import dataclass, replace

from teachgrad.errors import TeachgradError
from teachgrad.recording import Moment

from ..learning.past import GIVES_AWAY, gives_away, keep_gives_away
from ..learning.tours import arrived, load
from ..navigation import settled, within
from ..queries import query
from ..session import Session
from ..slicing import Ways, slice_at
from ..stops import resolve, stop
from ..views.compare import other_of, start_of
from ..views.options import Options
from ..views.passes import went_to
from ..views.whatif import edit_of

QUESTIONS = {"what_if": "what-if", "compare": "compare"}
"""Options that have a screen of their own, by where they are kept."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is shown first. Without an address, it is for what shows it to say where that is."""

    address: str | None
    screen: str
    options: Options

    def moment(self, session: Session) -> Moment:
        """The moment of the address; else the first one. Raises `TeachgradError` if it leads nowhere."""
        return resolve(session, self.address) if self.address is not None else session.first


def beginning(args: Namespace, session: Session, opened: ExitStack, printed: bool) -> Beginning:
    """Where the command begins; files are opened into `opened`. What is `printed` begins at the first stop of a tour;
    others lead there themselves. Raises `TeachgradError` if something cannot be had."""
    if args.predict and args.at is not None and gives_away(args.at):
        raise TeachgradError(GIVES_AWAY)
    watched = tuple(stop(text) for text in args.watch)
    options = Options(predict=args.predict, check=args.check, level=args.inside, stops=watched)
    begun = _asking(args, session, opened, Beginning(args.at, _screen(args), options))
    if args.inside and session.run.steps:
        begun = _inside(begun, session, args.inside)
    if (args.ways or args.filter is not None) and session.run.steps:
        begun = _keeping(begun, session, args.filter, args.ways)
    if begun.address is not None and begun.address.startswith("pass:"):
        changes = went_to(session, session.first, begun.options, begun.address)
        begun = Beginning(None, "passes", begun.options.but(**changes))
    return begun if args.tour is None else _touring(begun, session, args.tour, printed)


def _screen(args: Namespace) -> str:
    """The screen that is asked for. Raises `TeachgradError` if there are several."""
    asked = {f"--{screen}": screen for name, screen in QUESTIONS.items() if getattr(args, name) is not None}
    if args.screen is not None:
        asked[f"--screen {args.screen}"] = args.screen
    if len(set(asked.values())) > 1:
        raise TeachgradError(f"{' and '.join(asked)} show different screens; give one of them")
    return next(iter(asked.values()), "tape")


def _asking(args: Namespace, session: Session, opened: ExitStack, begun: Beginning) -> Beginning:
    """With the question of --what-if or --compare."""
    if args.what_if is not None:
        edit = edit_of(session, args.what_if, begun.moment(session))
        return replace(begun, options=begun.options.but(edit=edit))
    if args.compare is None:
        return begun
    other = other_of(session, args.compare, opened)
    begun = replace(begun, options=begun.options.but(other=other))
    if begun.address is None and other.session is not None and other.step is None:
        return replace(begun, address=str(start_of(session, other.session)))
    return begun


def _inside(begun: Beginning, session: Session, module: str) -> Beginning:
    """Such that the inside of a module is shown: at the given moment, else at the module's first row."""
    step = begun.moment(session).step
    scopes = session.lanes(step, frozenset()).scopes
    row = next((row for row, scope in enumerate(scopes) if within(scope, module)), None)
    if row is None:
        modules = sorted({scope.partition(".")[0] for scope in scopes if scope})
        known = "; there are " + ", ".join(map(repr, modules[:8])) if modules else "; its ops are in no modules"
        raise TeachgradError(f"there is no module {module!r} in t{step}{known}")
    return begun if begun.address is not None else replace(begun, address=str(session.run.at(step, row)))


def _keeping(begun: Beginning, session: Session, wanted: str | None, ways: Ways | None) -> Beginning:
    """With a part of the rows alone: those that match, or a slice; at one of them."""
    moment = begun.moment(session)
    keep = query(wanted or "") if ways is None else slice_at(session.step(moment), session.row(moment), ways)
    if begun.options.predict and (why := keep_gives_away(keep)):
        raise TeachgradError(why)
    number = next((step for step in range(moment.step, session.run.steps) if session.kept_rows(step, keep)), None)
    if number is None:
        raise TeachgradError(f"nothing matches {wanted!r} from t{moment.step} on")
    moment = moment if number == moment.step else session.run.at(number, 0)
    address = str(settled(session, moment, frozenset(), True, keep))
    return replace(begun, address=address, options=begun.options.but(keep=keep))


def _touring(begun: Beginning, session: Session, path: str, printed: bool) -> Beginning:
    """With a tour; what is printed, at its first stop."""
    tour = load(path, session.title)
    begun = replace(begun, options=begun.options.but(tour=tour))
    if not printed or begun.address is not None or not tour.stops:
        return begun
    moment, changes = arrived(session, tour, 0)
    return Beginning(str(moment), tour.stops[0].screen, begun.options.but(**changes))
