"""The keys for stepping through a kernel. Those that the other screens have, too, are the same."""

from __future__ import annotations

from collections.abc import Mapping

from ..glyphs import Glyphs, spelled
from ..keys import Action, keys_of, shown


def _action(id: str, keys: str, call: str, label: str, help: str) -> Action:
    return Action(id, tuple(keys.split()), call, label, help, "")


ACTIONS: dict[str, Action] = {
    action.id: action
    for action in (
        _action("step", "s right", "go('step', 1)", "step", "a step on"),
        _action("back", "S left", "go('step', -1)", "back", "a step back"),
        _action("page_down", "pagedown", "go('step', 10)", "ten on", "ten steps on"),
        _action("page_up", "pageup", "go('step', -10)", "ten back", "ten steps back"),
        _action("thread_on", "t", "go('thread', True)", "thread", "to the next step of the chosen thread"),
        _action("thread_back", "T", "go('thread', False)", "thread back", "to its step before"),
        _action("warp_on", "w", "go('of_warp', True)", "warp", "to the next step of this warp"),
        _action("warp_back", "W", "go('of_warp', False)", "warp back", "to its step before"),
        _action("barrier", "o", "go('barrier', True)", "barrier", "to the next arrival at a barrier"),
        _action("barrier_back", "O", "go('barrier', False)", "barrier back", "to the arrival before"),
        _action("race", "r", "go('race', True)", "race", "to the next access that races"),
        _action("race_back", "R", "go('race', False)", "race back", "to the one before"),
        _action("first", "g home", "go('end', False)", "first", "to the beginning"),
        _action("last", "G end", "go('end', True)", "last", "to the end"),
        _action("block_on", "right_curly_bracket", "go('block', 1)", "block", "the next block"),
        _action("block_back", "left_curly_bracket", "go('block', -1)", "block back", "the block before"),
        _action("show_on", "right_square_bracket", "go('show_warp', 1)", "show warp", "show the next warp"),
        _action("show_back", "left_square_bracket", "go('show_warp', -1)", "show warp", "show the warp before"),
        _action("right", "l", "lane(1)", "thread", "choose the thread to the right"),
        _action("left", "h", "lane(-1)", "thread", "choose the thread to the left"),
        _action("down", "j down", "lane(4)", "thread", "choose the thread below: four on"),
        _action("up_line", "k up", "lane(-4)", "thread", "choose the thread above: four back"),
        _action("mode", "m", "go('mode')", "order", "threads side by side, or one by one as it happened"),
        _action("zoom", "z", "zoom", "memory", "memory alone, and back"),
        _action("theme", "D", "next_theme", "theme", "the next theme: dark, light, high-contrast, ansi"),
        _action("help", "question_mark f1", "help", "help", "these keys"),
        _action("quit", "q", "quit", "quit", "quit"),
    )
}
FOOTER = ("step", "back", "thread_on", "warp_on", "barrier", "race", "block_on", "mode", "zoom", "last", "help", "quit")

INTRODUCTION = (
    "What the threads of a kernel did. A step is what threads of a warp do together: an access to memory, coming to a "
    "line, waiting at a barrier. At the left your source, with the threads that are in each line. At the right the "
    "threads of the warp, as thread:line, with w for one that waits and x for one that is done. Below the arrays, as "
    "far as this block has touched them: values, or shades that grow with every touch; r, w or a is read, written or "
    "changed by an atomic operation in this step.\n\n"
    "An emulator runs threads one after the other, a device side by side. Steps are side by side where that makes no "
    "difference. Where it does (a race, or atomics that took turns) they are one by one, as it happened.\n\n"
    "! marks what is in a race: the two threads, and the element; among shades, R, W or A while it is touched. r goes "
    "from one access of the pair to the other."
)


def fitting(keymap: Mapping[str, str]) -> dict[str, str]:
    """The user's own keys for actions that there are here, too, as far as they do nothing else here."""
    taken = {key: name for name, action in ACTIONS.items() for key in action.keys if name not in keymap}
    return {name: keys for name, keys in keymap.items()
            if name in ACTIONS and not any(key in taken for key in keys.split(","))}  # fmt: skip


def help_text(glyphs: Glyphs, keymap: Mapping[str, str]) -> str:
    """What is shown, and all keys."""
    lines = [INTRODUCTION, ""]
    for action in ACTIONS.values():
        keys = "  ".join(shown(key) for key in keys_of(action, keymap))
        lines.append(f"  {spelled(keys) if glyphs.ascii else keys:<14}{action.help}")
    lines += ["", "Escape closes this."]
    text = "\n".join(lines)
    return "\n".join(spelled(line) for line in text.split("\n")) if glyphs.ascii else text


def footer(keymap: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What the last line shows."""
    return tuple((shown(keys_of(ACTIONS[name], keymap)[0]), ACTIONS[name].label) for name in FOOTER)
