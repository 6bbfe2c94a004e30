"""The widget that shows a drawn screen, line by line."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from ..canvas import Canvas
from ..palette import Palette
from .styles import style_of


class Sheet(Widget, can_focus=True):
    """Shows a canvas. It knows nothing of recordings: whoever owns it draws, and hears of clicks."""

    DEFAULT_CSS = """
    Sheet { width: 1fr; height: 1fr; }
    """

    class Clicked(Message):
        """A cell was clicked that leads somewhere."""

        def __init__(self, target: str) -> None:
            super().__init__()
            self.target = target

    class Scrolled(Message):
        """The wheel was turned, by so many lines."""

        def __init__(self, lines: int) -> None:
            super().__init__()
            self.lines = lines

    class Resized(Message):
        """There is another size to draw for."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self._canvas: Canvas | None = None
        self._strips: list[Strip] = []

    def show(self, canvas: Canvas, palette: Palette) -> None:
        """Show what was drawn; only lines that changed are sent to the terminal."""
        self._palette = palette
        self._canvas = canvas
        self._strips = [
            Strip([Segment(span.text, style_of(palette.look(span.style))) for span in line], canvas.width)
            for line in canvas.lines()
        ]
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if y >= len(self._strips):
            return Strip.blank(self.size.width, self.rich_style)
        strip = self._strips[y]
        # A frame drawn for another size is on the screen until the next one: never a segment without a style.
        return strip.crop_extend(0, self.size.width, Style.null())

    def on_resize(self, event: events.Resize) -> None:
        self.post_message(self.Resized())

    def on_click(self, event: events.Click) -> None:
        target = self._canvas.target(event.x, event.y) if self._canvas is not None else None
        if target is not None:
            self.post_message(self.Clicked(target))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.post_message(self.Scrolled(3))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.post_message(self.Scrolled(-3))
