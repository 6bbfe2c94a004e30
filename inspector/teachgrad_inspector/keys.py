"""The keys: one registry of actions, from which the bindings, the last line, the help and the keymap file follow.

Plain letters, and Shift reverses time. Nothing that terminals, tmux or editors swallow.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from teachgrad.errors import TeachgradError


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a key does. `id` is its name in a keymap, `keys` Textual's names of keys."""

    id: str
    keys: tuple[str, ...]
    call: str
    label: str
    help: str
    group: str


def _action(id: str, keys: str, call: str, label: str, help: str, group: str) -> Action:
    return Action(id, tuple(keys.split()), call, label, help, group)


ACTIONS: dict[str, Action] = {
    action.id: action
    for action in (
        _action("step", "s right", "move('step', True)", "step", "one event forward", "Time"),
        _action("back", "S left", "move('step', False)", "back", "one event back", "Time"),
        _action("over", "o", "move('over', True)", "over", "over the next module", "Time"),
        _action("over_back", "O", "move('over', False)", "over back", "back over the module before", "Time"),
        _action("out", "u", "move('out', True)", "out", "out of this module", "Time"),
        _action("out_back", "U", "move('out', False)", "out back", "back to the start of this module", "Time"),
        _action("phase", "right_square_bracket", "move('phase', True)", "phase", "to the next phase", "Time"),
        _action(
            "phase_back", "left_square_bracket", "move('phase', False)", "phase back", "to the phase before", "Time"
        ),
        _action(
            "train", "right_curly_bracket", "move('training_step', True)", "train", "to the next training step", "Time"
        ),
        _action(
            "train_back",
            "left_curly_bracket",
            "move('training_step', False)",
            "train back",
            "to the training step before",
            "Time",
        ),
        _action("hold", "space", "hold", "pause", "pause a training that runs, or let it run on", "Time"),
        _action("level", "L", "level", "level", "how much a training that runs records: stats, values, ...", "Time"),
        _action("next_stop", "c", "stop_at(True)", "continue", "on to the next stop, or birth of a nan or inf", "Time"),
        _action("stop_before", "C", "stop_at(False)", "reverse", "back to the stop before", "Time"),
        _action("first", "g home", "move('end', False)", "first", "to the first moment", "Time"),
        _action("last", "G end", "move('end', True)", "last", "to the last moment", "Time"),
        _action("down", "j down", "arrow(0, 1)", "down", "a line down; on Chain, the element below", "Place"),
        _action("up_line", "k up", "arrow(0, -1)", "up", "a line up; on Chain, the element above", "Place"),
        _action("left", "h", "arrow(-1, 0)", "left", "back; on Chain, the element to the left", "Place"),
        _action("right", "l", "arrow(1, 0)", "right", "forward; on Chain, the element to the right", "Place"),
        _action("page_down", "pagedown", "page(1)", "page down", "a screen down", "Place"),
        _action("page_up", "pageup", "page(-1)", "page up", "a screen up", "Place"),
        _action("search", "slash", "search", "search", "search: relu, op:exp, shape:(32,*), line:net.py:14", "Place"),
        _action("next", "n", "again(True)", "next", "next match", "Place"),
        _action("next_back", "N", "again(False)", "previous", "match before", "Place"),
        _action("slice", "i", "slice", "slice", "only what this comes from; again: what comes of it", "Place"),
        _action("filter", "ampersand", "filter", "filter", "only rows that match: op:exp, shape:(32,*)", "Place"),
        _action("go", "colon", "go", "go to", "go to an address: t12/bwd/41, W1.grad[3,1], last W1", "Place"),
        _action("breakpoint", "b", "breakpoint", "break", "stop at rows like this one, or no more", "Place"),
        _action("watch", "w", "watch", "watch", "watch: norm(W1.grad) > 10, op relu, line net.py:14", "Place"),
        _action("tape", "1", "show('tape')", "Tape", "the Tape screen", "Look"),
        _action("chain", "2", "show('chain')", "Chain", "the Chain screen", "Look"),
        _action("map", "3", "show('map')", "Map", "the Map screen", "Look"),
        _action("passes", "4", "show('passes')", "Passes", "the Passes screen", "Look"),
        _action("memory", "5", "show('memory')", "Memory", "the Memory screen", "Look"),
        _action("stops", "B", "show('stops')", "Stops", "breakpoints and watched conditions", "Look"),
        _action("doctor", "exclamation_mark", "show('doctor')", "Doctor", "what goes wrong, and where", "Question"),
        _action("train_screen", "6", "show('train')", "Train", "the Train screen", "Look"),
        _action("kernels", "7", "show('kernels')", "Kernels", "the Kernels screen", "Look"),
        _action(
            "open", "enter", "open", "open", "open: unfold a module, on Map go into it, else the chain rule", "Look"
        ),
        _action(
            "up", "backspace", "up", "up", "up: on Map out of the module, else back to the tape, there fold", "Look"
        ),
        _action("fold", "minus", "fold", "fold", "fold the module here, or unfold it", "Look"),
        _action("pane", "tab", "pane(1)", "pane", "next pane", "Look"),
        _action("pane_back", "shift+tab", "pane(-1)", "pane back", "pane before", "Look"),
        _action("zoom", "z", "switch('zoom')", "zoom", "this pane alone, and back", "Look"),
        _action("numbers", "number_sign", "switch('numbers')", "numbers", "arrays as numbers, and back", "Look"),
        _action("narration", "v", "switch('narration')", "narrate", "a line that says what happens", "Look"),
        _action("mode", "m", "mode", "plan/dynamic", "on Memory, the plan or what dynamic mode would hold", "Look"),
        _action("explain", "e", "explain", "explain", "where this number comes from", "Question"),
        _action("what_if", "x", "what_if", "what if", "change a number and run on; on Memory, recompute", "Question"),
        _action("compare", "d", "compare", "compare", "with another step or recording: t3, run.tgr", "Question"),
        _action("check", "f", "check", "finite diff", "compare the gradient with finite differences", "Question"),
        _action(
            "largest", "full_stop", "largest", "largest", "on Chain, the element with the largest part", "Question"
        ),
        _action("predict", "p", "switch('predict')", "predict", "hide results until they are predicted", "Question"),
        _action("answer", "a", "answer", "answer", "answer what is to be predicted: 4, 64,32 or b", "Question"),
        _action("reveal", "r", "reveal", "reveal", "give up what was to be predicted, and show it", "Question"),
        _action("tour", "t", "tour(1)", "tour", "the next stop of the tour", "Question"),
        _action("tour_back", "T", "tour(-1)", "tour back", "the stop of the tour before", "Question"),
        _action("tour_stop", "plus", "record_stop", "record", "add this moment to the tour, with a text", "Question"),
        _action("theme", "D", "next_theme", "theme", "the next theme: dark, light, high-contrast, ansi", "Other"),
        _action("copy", "y", "copy", "copy", "copy the moment and its value", "Other"),
        _action("help", "question_mark f1", "help", "help", "these keys", "Other"),
        _action("quit", "q", "quit", "quit", "quit", "Other"),
    )
}

_SHOWN = {
    "right_square_bracket": "]", "left_square_bracket": "[", "right_curly_bracket": "}", "left_curly_bracket": "{",
    "slash": "/", "colon": ":", "question_mark": "?", "number_sign": "#", "full_stop": ".", "right": "→", "left": "←",
    "up": "↑", "down": "↓", "backspace": "⌫", "enter": "↵", "comma": ",", "minus": "-", "space": "space",
    "exclamation_mark": "!", "plus": "+", "ampersand": "&",
}  # fmt: skip
TAKEN = {
    "escape": "it leads back", "ctrl+c": "it quits", "ctrl+q": "it quits", "ctrl+z": "it stops the program",
    "ctrl+p": "it opens the palette",
}  # fmt: skip
"""Keys that cannot be given away."""
TOGETHER = {
    "element": ("hjkl", "element"), "boxes": ("hjkl", "box"), "line": ("jk", "line"), "rule": ("jk", "rule"),
    "candidate": ("jk", "candidate"), "linked": ("jk", "in this pane"),
}  # fmt: skip
"""Keys that the last line of a screen shows as one."""


def shown(key: str) -> str:
    """A key as people call it."""
    return _SHOWN.get(key, key)


def keys_of(action: Action, keymap: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of an action, as the user has them."""
    return tuple(keymap[action.id].split(",")) if action.id in keymap else action.keys


def footer(actions: Sequence[str], keymap: Mapping[str, str] | None = None) -> tuple[tuple[str, str], ...]:
    """What the last line shows for these actions: (key, what it does)."""
    pairs = []
    for name in actions:
        if name in TOGETHER:
            pairs.append(TOGETHER[name])
            continue
        action = ACTIONS[name]
        pairs.append((shown(keys_of(action, keymap or {})[0]), action.label))
    return tuple(pairs)


def keymap_file() -> Path:
    """Where a user's own keys stand."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "teachgrad" / "keys.json"


def load_keymap() -> dict[str, str]:
    """The user's keys: a JSON object from action to keys, as in `{"step": "f6", "back": "B,f3"}`. A key is called as
    people call it, `?`, or as Textual does, `question_mark`.

    Raises `TeachgradError` if the file is there and cannot be used, or if a key would do two things.
    """
    path = keymap_file()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    except UnicodeDecodeError:
        raise TeachgradError(f"{path} is not text in UTF-8") from None
    try:
        keymap = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TeachgradError(f"{path} is not JSON: {error}") from None
    if not isinstance(keymap, dict) or not all(isinstance(keys, str) for keys in keymap.values()):
        raise TeachgradError(f'{path} must hold an object of strings, such as {{"step": "f6"}}')
    for name in keymap:
        if name not in ACTIONS:
            close = difflib.get_close_matches(name, ACTIONS, n=1)
            near = f"; did you mean {close[0]!r}?" if close else ""
            raise TeachgradError(f"{path}: there is no action {name!r}{near} teachgrad inspect --keys lists them")
    named = {name: ",".join(key_named(key, path) for key in _listed(keys)) for name, keys in keymap.items()}
    for name, keys in named.items():
        if not keys:
            raise TeachgradError(f"{path}: {name!r} has no key")
    _refuse_conflicts(named, path)
    return named


def _listed(keys: str) -> list[str]:
    """The keys of a text with commas between them, of which one may be the comma itself."""
    return [","] if keys == "," else [key.strip() or key for key in keys.split(",") if key]


def key_named(key: str, path: Path) -> str:
    """Textual's name of a key that somebody wrote.

    >>> key_named("?", Path()), key_named("ctrl+k", Path()), key_named("%", Path())
    ('question_mark', 'ctrl+k', 'percent_sign')
    """
    known = {text: name for name, text in _SHOWN.items()} | {" ": "space"}
    if key in known:
        return known[key]
    if len(key) == 1 and not key.isalnum():
        return unicodedata.name(key, key).lower().replace("-", "_").replace(" ", "_")
    if not re.fullmatch(r"((ctrl|shift)\+)*(\w|[a-z][a-z_]*\d*)", key):
        raise TeachgradError(f"{path}: {key!r} is no key; write a character, a name such as space, f5 or pagedown, "
                             "or one of them after ctrl+ or shift+")  # fmt: skip
    if key in TAKEN:
        raise TeachgradError(f"{path}: {key} is taken: {TAKEN[key]}")
    return key


def _refuse_conflicts(keymap: Mapping[str, str], path: Path) -> None:
    owner: dict[str, str] = {}
    for action in ACTIONS.values():
        for key in keys_of(action, keymap):
            other = owner.setdefault(key, action.id)
            if other != action.id:
                both = f"{other!r} and {action.id!r}"
                raise TeachgradError(f"{path}: {shown(key)} would do two things, {both}; give one of them another key")


def table(keymap: Mapping[str, str]) -> list[str]:
    """All actions with their keys as lines of text, and how to change them."""
    lines = []
    for group in dict.fromkeys(action.group for action in ACTIONS.values()):
        lines.append(group)
        for action in ACTIONS.values():
            if action.group == group:
                keys = " ".join(shown(key) for key in keys_of(action, keymap))
                mine = "*" if action.id in keymap else " "
                lines.append(f" {mine} {action.id:<14} {keys:<12} {action.help}")
        lines.append("")
    return [
        *lines,
        f"Keys of your own (*) stand in {keymap_file()}, an object in JSON from action to keys:",
        '    {"step": "f6", "back": "B", "stops": "f5,ctrl+b"}',
        "What is not there keeps its keys. A key may do one thing only.",
    ]
