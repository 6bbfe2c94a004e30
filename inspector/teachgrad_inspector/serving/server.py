"""The server, a process of its own: `textual-serve` behind a token.

    python -m teachgrad_inspector.serving.server PORT TITLE COMMAND

It listens on the loopback interface only. Whoever knows the token, which `TEACHGRAD_TOKEN` has, gets the page and with
it a cookie that stays with this browser and this site; without one of them there is neither page nor application, so
neither other users of the machine nor other pages in the browser can look in.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
import time
from typing import Any

from aiohttp import web
from textual_serve.server import Server

from .keeper import GRACE, HOST

FOCUS = """<script>
new MutationObserver((changes, watcher) => {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys) { keys.focus(); watcher.disconnect(); }
}).observe(document.body, {childList: true, subtree: true});
</script>"""
"""Keys go to the application from the start, not from the first click on."""


class OwnServer(Server):
    """Serves an application to those who have the token."""

    def __init__(self, command: str, port: int, title: str, token: str) -> None:
        super().__init__(command, host=HOST, port=port, title=title)
        self._token = token
        self._cookie = f"teachgrad-{port}"

    def initialize_logging(self) -> None:
        logging.basicConfig(level=logging.ERROR, stream=sys.stderr)

    async def on_startup(self, app: web.Application) -> None:
        """Nothing is printed: who started this has said where it is."""

    def _may(self, given: str | None) -> bool:
        return given is not None and secrets.compare_digest(given.encode(), self._token.encode())

    async def handle_index(self, request: web.Request) -> Any:
        if not (self._may(request.query.get("token")) or self._may(request.cookies.get(self._cookie))):
            raise web.HTTPForbidden(text="The address has a token; it was printed where this was started.\n")
        page = await super().handle_index(request)
        page.text = page.text.replace("</body>", f"{FOCUS}</body>")
        page.set_cookie(self._cookie, self._token, httponly=True, samesite="Strict")
        page.headers["Referrer-Policy"] = "no-referrer"
        page.headers["Content-Security-Policy"] = (
            f"default-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws://{HOST}:{self.port}")
        return page

    async def handle_websocket(self, request: web.Request) -> Any:
        if not self._may(request.cookies.get(self._cookie)):
            raise web.HTTPForbidden(text="The page has to be opened first.\n")
        return await super().handle_websocket(request)

    async def handle_download(self, request: web.Request) -> Any:
        if not self._may(request.cookies.get(self._cookie)):
            raise web.HTTPForbidden(text="The page has to be opened first.\n")
        return await super().handle_download(request)


def end_with(pipe: Any) -> None:
    """End this process group when the pipe is closed: whoever started the server is gone."""
    pipe.read()
    group = os.getpgrp()
    os.killpg(group, signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(group, signal.SIGKILL)


def main() -> None:
    port, title, command = sys.argv[1:]
    token = os.environ.pop("TEACHGRAD_TOKEN")
    threading.Thread(target=end_with, args=(sys.stdin.buffer,), daemon=True).start()
    OwnServer(command, int(port), title, token).serve()


if __name__ == "__main__":
    main()
