"""The inspector in a browser: for this machine and those who have the token alone, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teachgrad.cli import main
from teachgrad_inspector.commands.inspect import add_arguments
from teachgrad_inspector.serving import keeper

SECONDS = 30
Serve = Callable[..., "Served"]


class Served:
    """A served inspector."""

    def __init__(self, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "teachgrad", "inspect", *arguments, "--serve", f"--port={free_port()}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line)
        assert found, line + self.process.stdout.read()
        self.address, self.port, self.token = found[0], int(found[1]), found[2]
        self.group = int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def members(self) -> list[int]:
        """The processes in the group of the server."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(group) == self.group and state != "Z":
                found.append(int(stat.parent.name))
        return found

    def wait_for(self, count: int) -> None:
        """Wait until the group has so many processes."""
        deadline = time.monotonic() + SECONDS
        while len(self.members()) != count:
            assert time.monotonic() < deadline, self.members()
            time.sleep(0.05)

    def interrupt(self) -> int:
        """What ctrl+c does; the status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(SECONDS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves something, and ends it in any case."""
    pytest.importorskip("textual_serve")
    if not Path("/proc/self/task").exists():
        pytest.skip("looks at processes as Linux shows them")
    started: list[Served] = []

    def serve_(*arguments: str) -> Served:
        started.append(Served(*arguments))
        return started[-1]

    yield serve_
    for served in started:
        served.process.kill()
        served.process.wait()
        if served.process.stdout is not None:
            served.process.stdout.close()
        served.wait_for(0)


async def until(socket_: Any, wanted: str) -> str:
    """What the application sends, until it has sent something."""
    text = ""
    async with asyncio.timeout(SECONDS):
        while wanted not in text:
            message = await socket_.receive()
            assert isinstance(message.data, (bytes, str)), text
            text += message.data.decode(errors="replace") if isinstance(message.data, bytes) else message.data
    return text


def test_a_page_shows_what_the_command_asked_for() -> None:
    """The command of a page has every setting that concerns what is shown."""
    parser = ArgumentParser()
    add_arguments(parser)
    asked = ["--at=t0/fwd/3", "--screen=map", "--inside=fc1", "--filter=op:relu", "--what-if=a=2", "--compare=t3",
             "--score=s.json", "--theme=light", "--slice=both", "--tour=", "--watch=x > 1", "--ascii", "--predict",
             "--check", "--follow"]  # fmt: skip
    assert sorted(keeper._settings(parser.parse_args(["run.tgr", "--serve", *asked]))) == sorted(asked)


@pytest.mark.slow
async def test_a_page_with_the_token_has_an_application(serve: Serve) -> None:
    served = serve("--demo", "micrograd", "--at", "t0/bwd/9", "--title", "<b>title</b>")
    import aiohttp

    where = f"http://127.0.0.1:{served.port}"
    socket_address = f"{where}/ws?width=90&height=24"
    async with aiohttp.ClientSession() as stranger:
        for address in (where, f"{where}/?token=", f"{where}/?token={served.token[:-1]}", f"{where}/download/x"):
            async with stranger.get(address) as answer:
                assert answer.status == 403
                assert served.token not in await answer.text()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stranger.ws_connect(socket_address)
        assert refused.value.status == 403
    served.wait_for(1)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as friend:
        async with friend.get(served.address) as answer:
            page = await answer.text()
            assert answer.status == 200
            assert "&lt;b&gt;title&lt;/b&gt;" in page
            assert "<b>title" not in page
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "SameSite=Strict" in answer.headers["Set-Cookie"]
            assert "HttpOnly" in answer.headers["Set-Cookie"]
        async with friend.ws_connect(socket_address) as first, friend.ws_connect(socket_address) as second:
            for page_ in (first, second):
                assert "t0/bwd/9" in await until(page_, "t0/bwd/9")
            served.wait_for(3)  # each page has an application of its own
            await first.send_json(["stdin", "2"])
            await until(first, "rule")
            await first.send_json(["stdin", "q"])
            served.wait_for(2)
        served.wait_for(1)  # and it ends with the page
    assert served.interrupt() == 0
    served.wait_for(0)


@pytest.mark.slow
async def test_nothing_is_left_behind(serve: Serve) -> None:
    import aiohttp

    for end in (signal.SIGINT, signal.SIGKILL):
        served = serve("--demo", "micrograd")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as friend:
            await friend.get(served.address)
            async with friend.ws_connect(f"http://127.0.0.1:{served.port}/ws?width=90&height=24") as page:
                await until(page, "t0/fwd/0")
                served.wait_for(2)
                began = time.monotonic()
                served.process.send_signal(end)
                status = await asyncio.to_thread(served.process.wait, SECONDS)
                assert status == (0 if end == signal.SIGINT else -signal.SIGKILL)
                served.wait_for(0)
                assert time.monotonic() - began < 10


@pytest.mark.slow
def test_only_the_loopback_interface_is_listened_at(serve: Serve) -> None:
    served = serve("--demo", "micrograd")
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    listening = [line.split()[1] for table in tables for line in table if line.split()[3] == "0A"]
    assert [place for place in listening if place.endswith(f":{served.port:04X}")] == [f"0100007F:{served.port:04X}"]
    assert served.interrupt() == 0


@pytest.mark.slow
def test_a_browser_shows_it(serve: Serve, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    served = serve("--demo", "micrograd", "--at", "t0/bwd/9")
    asked: list[str] = []
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1000, "height": 600})
        page.on("requestfinished", lambda request: asked.append(request.url))
        page.goto(served.address)
        page.wait_for_selector("body.-first-byte", timeout=1000 * SECONDS)
        page.wait_for_timeout(1500)
        before = page.screenshot()
        page.keyboard.press("2")
        page.wait_for_timeout(1500)
        assert page.screenshot() != before
        page.keyboard.press("q")
        page.wait_for_selector("body.-closed", timeout=1000 * SECONDS)
        opened.close()
    assert asked
    assert all(address.startswith(f"http://127.0.0.1:{served.port}/") for address in asked)
    assert served.interrupt() == 0


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "find_spec", lambda name: True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["inspect", "--demo", "micrograd", "--serve", "--port", str(port)]) == 2
    assert f"port {port} cannot be had" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "-1", "web"])
def test_ports_are_checked(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["inspect", "--demo", "micrograd", "--serve", f"--port={port}"])
    assert "is not a port" in capsys.readouterr().err


def test_an_address_that_leads_nowhere_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--demo", "micrograd", "--serve", "--at", "a.gard"]) == 2
    assert "did you mean 'a.grad'" in capsys.readouterr().err


def test_what_is_missing_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "find_spec", lambda name: None)
    assert main(["inspect", "--demo", "micrograd", "--serve"]) == 2
    assert 'pip install "teachgrad[serve]"' in capsys.readouterr().err
