"""The help: every key, and what the signs on the screen mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from .. import queries
from ..glyphs import Glyphs, spelled
from ..keys import ACTIONS, Action, keys_of, shown
from ..screens import SCREENS


def help_text(screen: str, pane: int, glyphs: Glyphs, keymap: Mapping[str, str]) -> str:
    """What a screen shows and its keys, first those that matter on it; then all others by group, and the signs."""

    def told(action: Action) -> str:
        keys = "  ".join(shown(key) for key in keys_of(action, keymap))
        return f"  {spelled(keys) if glyphs.ascii else keys:<14}{action.help}"

    here = [name for item in SCREENS[screen].actions for name in MEANT.get(item, (item,))]
    panes = SCREENS[screen].panes
    lines = [_INTRODUCTION[screen], "", f"{SCREENS[screen].title}"]
    lines += [told(ACTIONS[name]) for name in here]
    if len(panes) > 1:
        lines.append(f"  panes         {', '.join(panes)}; the keys go to {panes[pane % len(panes)]}")
    lines.append("")
    for group in dict.fromkeys(action.group for action in ACTIONS.values()):
        found = [told(action) for action in ACTIONS.values() if action.group == group and action.id not in here]
        lines += [group, *found, ""] if found else []
    lines += [
        "Always",
        "  escape        leads back: out of a prompt, a question, a zoomed pane, a slice; gives up what takes long",
        "  ctrl+p        the palette: everything by its name, and the themes",
        "  ctrl+z        back to the shell, fg returns",
        "  mouse         a click on a row goes there, on a screen opens it; the wheel scrolls",
        "",
    ]
    g = glyphs
    lines += [
        "Signs",
        f"  {g.leaf} leaf   {g.op} op or gradient   {g.seed} start of backward   {g.update} update   "
        f"{g.fold} folded module   {g.trouble} nan or inf",
        f"  {g.vertical} a living value   {g.taps} it is read   {g.ends} it is read for the last time   "
        f"{g.rail} saved values, by module",
        "",
        "Addresses, for : and --at",
        "  t12/bwd/41   t12/bwd/W1.grad   t12   W1   last   last W1   and an element: W1.grad[3,1]",
        "  nan   inf   W1 where max(abs(W1)) > 10   last W1 where W1[0,1] < 0",
        "",
        "Escape closes this.",
    ]
    return _spelled(lines, glyphs)


def prompt_help(text: str, glyphs: Glyphs) -> str:
    """What can be typed into the prompt that begins with this text."""
    what = next((told for mark, told in _PROMPTS.items() if text.startswith(mark)), "")
    return _spelled([*what.strip("\n").split("\n"), "", "  enter         answers", "  escape        closes the prompt",
                     "", "Escape closes this."], glyphs)  # fmt: skip


def _spelled(lines: list[str], glyphs: Glyphs) -> str:
    return "\n".join(spelled(line) for line in lines) if glyphs.ascii else "\n".join(lines)


MEANT = {
    "element": ("left", "down", "up_line", "right"), "boxes": ("left", "down", "up_line", "right"),
    "line": ("down", "up_line"), "rule": ("down", "up_line"), "candidate": ("down", "up_line"),
    "linked": ("down", "up_line"),
}  # fmt: skip
"""The actions that the last line of a screen shows as one."""

_QUERY = queries.__doc__ or ""
_PROMPTS = {
    ":": """
Go to an address:
  t12/bwd/41   t12/bwd/W1.grad   t12   W1   last   last W1   pass:lower/3
  W1.grad[3,1] and [3,1], an element
  nan   inf   W1 where max(abs(W1)) > 10   last W1 where W1[0,1] < 0""",
    "/": "Search, and n and N for the next and the one before.\n\n" + _QUERY,
    "& ": "Show only the rows that match; escape shows all again.\n\n" + _QUERY,
    "watch ": """
Watch a condition, or stop at what is named:
  norm(W1.grad) > 10   any(isnan(loss))   h[0,3] < 0 and t > 5   at W1.grad   op relu   line net.py:14""",
    "what if ": """
Change a number, and compute again what depends on it:
  a = 2.01   W1[0,3] = 0.5""",
    "compare with ": """
Compare with a training step, a recording, or a step of it:
  t3   run.tgr   run.tgr t3""",
}


_INTRODUCTION = {
    "tape": "Tape: every event in order. A value has a lane from its birth to its last use.",
    "chain": "Chain: the chain rule at one op with the recorded numbers put in.",
    "map": (
        "Map: the modules as a tree, and what one of them is made of as boxes, with the shapes of the values between "
        "them. h j k l go from box to box, or along the tree when it has the focus; enter goes into a module. What is "
        "still to come has a dotted frame. Lines that are joined are one value; where two cross, one is broken."
    ),
    "passes": (
        "Passes: how a static function was compiled. s and S do and undo a rewrite, o and O go from pass to pass, j "
        "and k from rule to rule, g is the recorded graph and G the compiled one; { and } choose the program where "
        "there are several. In the graph, + is what the rewrite made and - what it left out. Each rewrite was computed "
        "on the recorded inputs, both ways. Near misses say why a rule did not apply. Addresses: pass:lower/3."
    ),
    "memory": (
        "Memory: where each value of a training step lies and for how long, offsets from the bottom up and time from "
        "left to right. s and S move the present row; what is held there is listed with the reason. m shows what "
        "dynamic mode would hold instead of the plan. j and k choose a value that lies idle for a while, x computes it "
        "again instead of keeping it: the peak and the flops are predicted, and tg.static(recompute=...) does it. "
        "Parameters are not counted. While it is recorded, a program runs on NumPy in the arena of its plan: generated "
        "C may need less, since what never leaves a loop has no place in memory."
    ),
    "kernels": (
        "Kernels: what runs, and its code. s and S go from op to op; its kernel, its lines of code and your line go "
        "with it. j and k move in the pane that has the focus: from kernel to kernel, from op to op, from line to line "
        "of the code, where the op that it computes comes along, or to the next of your lines. Bytes are those of "
        "inputs and results; the roofline is the least time that the machine needs for the bytes or the arithmetic. "
        "More than 100% comes from caches, or from a machine that was busy when it was measured."
    ),
    "train": (
        "Train: the whole training. s and S go a training step on and back, page keys a tenth of the training. j and k "
        "choose a line of the table; its curves stand before the range of all parameters. A step should change "
        "a parameter by about a thousandth: 10^-3. A unit is dead if it is zero, and saturated if it is within 3% of "
        "its limits, for every sample."
    ),
    "doctor": (
        "Doctor: what goes wrong in the training, where it began, and what helps. j and k choose a finding, enter goes "
        "to its moment on the tape. What could not be looked for stands below."
    ),
    "compare": (
        "Compare: two training steps row by row, of this recording or of another: = the same bit for bit, ~ different, "
        "! where they part (different, though what went in is the same), < > on one side only. Rows that hold the same "
        "numbers under another op, as in dynamic and static mode, are matched by value. d compares with something "
        "else, enter goes to the row, escape leads back."
    ),
    "explain": (
        "Explain: where a number comes from. Below each number stand those that count most for it: value times local "
        "derivative. A gradient is the sum of them; a value is, where its op adds up, and else they say what counts "
        "how much, to first order. j and k choose a number, enter goes to it on the tape, e explains it in turn."
    ),
    "what-if": (
        "What if: one number is changed, and all that depends on it is computed again, in float64. The gradient "
        "predicts how much the goal changes, gradient times change; what is left over is not linear, and shrinks with "
        "the square of the change. The recording stays as it is. x asks for another change, escape leads back."
    ),
    "stops": (
        "Stops: breakpoints and watched conditions. b removes the chosen one, c and C and enter run to where it stops, "
        "w adds one:\n"
        "  norm(W1.grad) > 10   any(isnan(loss))   h[0,3] < 0 and t > 5   at W1.grad   op relu   line net.py:14\n"
        "Functions: abs sqrt log log10 exp sign isnan isinf isfinite, and of all elements min max mean sum std norm "
        "any all zeros size. `it` is what the row is about, t the training step."
    ),
}


class HelpScreen(ModalScreen[None]):
    """The help, on top of a screen."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll { width: 92%; max-width: 96; height: 92%; border: round $accent; padding: 0 1;
                                  background: $surface; }
    HelpScreen.-ascii > VerticalScroll { border: ascii $accent; }
    HelpScreen.-tiny > VerticalScroll { width: 100%; height: 100%; border: none; padding: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1", "dismiss", "close")]

    def __init__(self, text: str, ascii_only: bool = False) -> None:
        super().__init__(classes="-ascii" if ascii_only else None)
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=True):
            yield Static(self._text, markup=False)
