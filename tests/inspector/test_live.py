"""The application attached to a training: its keys, and what they do to the training. No terminal is needed."""

from __future__ import annotations

import socket
import sqlite3
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

import teachgrad as tg
from teachgrad import optim
from teachgrad.cli import main
from teachgrad.recording import Reader, Recorder, RecordingError
from teachgrad.recording.live import endpoint
from teachgrad_inspector.app.application import Inspector
from teachgrad_inspector.glyphs import UNICODE
from teachgrad_inspector.live import Attachment, State, is_address, wait_for_rows
from teachgrad_inspector.plain.console import Console
from teachgrad_inspector.serving import keeper
from teachgrad_inspector.session import Session
from teachgrad_inspector.views.options import Options

from .runs import make
from .test_keys import app_of, shown, type_in

pytestmark = pytest.mark.skipif(not endpoint.HAS_UNIX, reason="there are no Unix sockets")
SECONDS = 10.0


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sockets in a folder of the test's own. Its name is short: that of a socket has about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="tg-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.delenv(endpoint.TOKEN_VARIABLE, raising=False)
        yield Path(runtime)


class Training(threading.Thread):
    """w ← 15/16 w, again and again, in dynamic or in static mode."""

    def __init__(self, static: bool) -> None:
        super().__init__(daemon=True)
        self.static = static
        self.count = 0
        self.going = True

    def run(self) -> None:
        w = tg.Parameter([1.0, 2.0], name="w")
        optimizer = optim.SGD([w], lr=1 / 32)

        def train() -> tg.Tensor:
            optimizer.zero_grad()
            loss = tg.sum(w * w)
            loss.backward()
            optimizer.step()
            return loss

        step: Callable[[], Any] = tg.static(train) if self.static else train
        while self.going:
            step()
            self.count += 1
            time.sleep(0.02)


@pytest.fixture(params=["dynamic", pytest.param("static", marks=pytest.mark.slow)])
def training(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Recorder, Training]]:
    with Recorder(tmp_path / "r.tgr", level="values", live=True) as recorder:
        thread = Training(request.param == "static")
        thread.start()
        yield recorder, thread
        thread.going = False
        thread.join(SECONDS)
        assert not thread.is_alive()


@asynccontextmanager
async def attached(recorder: Recorder, screen: str = "tape", at: str | None = None) -> AsyncIterator[Pilot[int]]:
    assert recorder.address is not None
    with Attachment(recorder.address) as live:
        wait_for_rows(live.recording, live)
        with Reader(live.recording) as run:
            app = Inspector(Session(run, live.title), at, screen, Options(), UNICODE, {}, live)
            async with app.run_test(size=(100, 30)) as pilot:
                await pilot.pause()
                yield pilot


async def wait_until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "\n".join(shown(pilot))
        await pilot.pause(0.02)


def is_paused(pilot: Pilot[int]) -> bool:
    """Whether the cursor stands where the training is held, and the status line says so."""
    return shown(pilot)[-2].endswith(f"paused at {app_of(pilot).moment}  ok")


async def pause(pilot: Pilot[int]) -> tuple[int, int]:
    await pilot.press("space")
    await wait_until(pilot, lambda: is_paused(pilot))
    return place(pilot)


def place(pilot: Pilot[int]) -> tuple[int, int]:
    return app_of(pilot).moment.step, app_of(pilot).moment.row


async def test_pause_step_and_go_on(training: tuple[Recorder, Training]) -> None:
    recorder, thread = training
    async with attached(recorder) as pilot:
        await wait_until(pilot, lambda: shown(pilot)[-2].endswith("running  ok"))
        assert shown(pilot)[-1].startswith(" space pause  s step ")
        step, row = await pause(pilot)
        assert shown(pilot)[-1].startswith(" space resume  s step ")
        held = thread.count
        await pilot.pause(0.3)
        assert thread.count == held
        for _ in range(8):
            await pilot.press("s")
            await wait_until(pilot, lambda before=(step, row): is_paused(pilot) and place(pilot) != before)
            assert place(pilot) in ((step, row + 1), (step + 1, 0))
            step, row = place(pilot)
        held = thread.count
        await pilot.press("right_curly_bracket")
        await wait_until(pilot, lambda: is_paused(pilot) and place(pilot) == (step + 1, row))
        assert thread.count == held + 1
        await pilot.press("space")
        await wait_until(pilot, lambda: thread.count > held + 2)
        await wait_until(pilot, lambda: place(pilot)[0] > step + 1)  # it goes with the end


async def test_the_past_of_a_paused_training(training: tuple[Recorder, Training]) -> None:
    recorder, thread = training
    async with attached(recorder) as pilot:
        await wait_until(pilot, lambda: thread.count > 2)
        end = await pause(pilot)
        held = thread.count
        await pilot.press("S", "S", "s")
        assert shown(pilot)[-2].split()[0] != shown(pilot)[-2].split()[-2]
        await pilot.press("left_curly_bracket", "right_curly_bracket", "g", "s", "right_square_bracket", "o")
        assert place(pilot) < end
        assert thread.count == held  # the past is stepped through, not the training
        await pilot.press("G")
        assert place(pilot) == end
        assert thread.count == held
        await pilot.press("S", "space")  # on: who looks at the past is left there
        before = place(pilot)
        await wait_until(pilot, lambda: thread.count > held + 2)
        await pilot.pause(0.6)
        assert place(pilot) == before


async def test_steps_typed_fast_are_all_taken(training: tuple[Recorder, Training]) -> None:
    recorder, _ = training
    async with attached(recorder) as pilot:
        await pause(pilot)
        run = app_of(pilot).session.run
        before = sum(map(run.length, range(run.steps)))
        for _ in range(5):
            app_of(pilot).action_move("step", True)
        await wait_until(pilot, lambda: is_paused(pilot) and sum(map(run.length, range(run.steps))) == before + 5)
        await pilot.pause(0.1)
        assert sum(map(run.length, range(run.steps))) == before + 5


async def test_modules_and_phases(training: tuple[Recorder, Training]) -> None:
    recorder, thread = training
    async with attached(recorder) as pilot:
        await pause(pilot)
        seen = [(app_of(pilot).moment.step, app_of(pilot).moment.phase)]
        for key in ("right_square_bracket", "right_square_bracket", "o", "u"):
            before = place(pilot)
            await pilot.press(key)
            await wait_until(pilot, lambda before=before: is_paused(pilot) and place(pilot) > before)
            seen.append((app_of(pilot).moment.step, app_of(pilot).moment.phase))
        assert seen[0] != seen[1] != seen[2]
        assert thread.is_alive()


async def test_running_to_a_stop(training: tuple[Recorder, Training]) -> None:
    """‖w‖² = 5 (15/16)^2k after k training steps."""
    recorder, thread = training
    assert recorder.address is not None
    async with attached(recorder) as pilot:
        last = (await pause(pilot))[0] + 6
        await pilot.press("w")
        await type_in(pilot, f"watch sum(w * w) < {5 * (15 / 16) ** (2 * last + 1)}")
        await pilot.press("c")
        await wait_until(pilot, lambda: not app_of(pilot).seeking)
        assert "becomes true" in shown(pilot)[-1]
        assert (app_of(pilot).moment.step, app_of(pilot).moment.phase) == (last, "upd")
        await wait_until(pilot, lambda: " paused at " in shown(pilot)[-2])
        held = thread.count
        assert held <= last + 2  # it is held at the end of that training step, or in the next one
        await pilot.pause(0.2)
        assert thread.count == held


async def test_giving_up_to_run_to_a_stop(training: tuple[Recorder, Training]) -> None:
    recorder, thread = training
    async with attached(recorder) as pilot:
        await pilot.press("w")
        await type_in(pilot, "watch t > 100000")
        await pilot.press("c")
        before = thread.count
        await wait_until(pilot, lambda: thread.count > before + 3)
        assert "running to the next stop" in shown(pilot)[1]
        await pilot.press("escape")
        await wait_until(pilot, lambda: " paused at " in shown(pilot)[-2])
        held = thread.count
        await pilot.pause(0.2)
        assert thread.count == held


async def test_the_level(training: tuple[Recorder, Training]) -> None:
    recorder, _ = training
    async with attached(recorder) as pilot:
        await pause(pilot)
        await pilot.press("L")
        await type_in(pilot, "record everything")
        assert "there is no level 'everything'" in shown(pilot)[-1]
        await pilot.press("L")
        await type_in(pilot, "record stats")
        live = app_of(pilot).live
        assert live is not None
        await wait_until(pilot, lambda: live.state.level == "stats")
        for _ in range(2):
            before = place(pilot)
            await pilot.press("right_curly_bracket")
            await wait_until(pilot, lambda before=before: is_paused(pilot) and place(pilot) > before)
        session = app_of(pilot).session
        row = next(row for row in session.run.rows(place(pilot)[0]) if row.kind == "op")
        assert session.array(row.value) is None
        assert session.statistics(row.value) is not None


@pytest.mark.slow
@pytest.mark.parametrize("screen", ["chain", "map", "memory", "train", "kernels", "doctor"])
async def test_every_screen_follows(screen: str, training: tuple[Recorder, Training]) -> None:
    recorder, _ = training
    async with attached(recorder, screen) as pilot:
        before = place(pilot)
        await wait_until(pilot, lambda: place(pilot)[0] > before[0] + 1)
        assert shown(pilot)[-2].endswith("running  ok")


@pytest.mark.parametrize("training", ["dynamic"], indirect=True)
async def test_predicting_a_training_that_runs(training: tuple[Recorder, Training]) -> None:
    """What is hidden stays hidden as the tape grows, and the status line says the same."""
    recorder, _ = training
    async with attached(recorder) as pilot:
        await pause(pilot)
        while app_of(pilot).moment.phase != "bwd" or app_of(pilot).session.row(app_of(pilot).moment).kind != "seed":
            before = place(pilot)
            await pilot.press("s")
            await wait_until(pilot, lambda before=before: is_paused(pilot) and place(pilot) != before)
        await pilot.press("p")
        before = place(pilot)
        await pilot.press("s")
        await wait_until(pilot, lambda: is_paused(pilot) and place(pilot) != before)
        app = app_of(pilot)
        gradient = app.session.array(app.session.row(app.moment).value)
        assert gradient is not None
        assert app.seen.array(app.seen.row(app.moment).value) is None
        assert app.options.revealed == frozenset()


async def test_the_end_of_the_training(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values", live=True) as recorder:
        x = tg.tensor(3.0, requires_grad=True)
        (x * x).backward()
        recorded = recorder.address
        assert recorded is not None
        live = Attachment(recorded)
        wait_for_rows(live.recording, live)
        run = Reader(live.recording)
        app = Inspector(Session(run), None, "tape", Options(), UNICODE, {}, live)
    with closing(live), closing(run):
        async with app.run_test(size=(100, 30)) as pilot:
            await wait_until(pilot, lambda: shown(pilot)[-2].endswith("ended  ok"))
            await wait_until(pilot, lambda: "ended early" not in shown(pilot)[0])
            assert not shown(pilot)[-1].startswith(" space")
            assert place(pilot) == (0, 4)
            await pilot.press("space")
            assert "the training has ended" in shown(pilot)[-1]
            await pilot.press("s")  # leads nowhere, and waits for nobody
            assert place(pilot) == (0, 4)


async def test_a_recording_is_not_held(session: Callable[..., Session]) -> None:
    app = Inspector(session("micrograd"), None, "tape", Options(), UNICODE, {})
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        for key in ("space", "L"):
            await pilot.press(key)
            assert "this is a recording, nothing runs" in shown(pilot)[-1]


async def test_two_viewers(training: tuple[Recorder, Training]) -> None:
    recorder, thread = training
    async with attached(recorder) as pilot:
        assert recorder.address is not None
        with Attachment(recorder.address) as other:
            end = await pause(pilot)
            assert other.wait(lambda state: state.name == "paused", SECONDS)
            assert other.state.at == end
            other.step("step")
            await wait_until(pilot, lambda: is_paused(pilot) and place(pilot) > end)
        held = thread.count
        await pilot.pause(0.2)
        assert thread.count == held
    deadline = time.monotonic() + SECONDS
    while thread.count < held + 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_line_by_line(training: tuple[Recorder, Training], capsys: pytest.CaptureFixture[str]) -> None:
    recorder, thread = training
    assert recorder.address is not None
    with Attachment(recorder.address) as live, ExitStack() as opened:
        wait_for_rows(live.recording, live)
        run = opened.enter_context(Reader(live.recording))
        console = Console(Session(run), None, "tape", Options(), UNICODE, (100, 30), {}, opened, live)

        def says(command: str, fine: bool = True) -> str:
            assert console.carry_out(command) == fine
            return capsys.readouterr().out

        told = says("hold")
        assert f"the training is paused at {console.moment}" in told
        held, before = thread.count, console.moment
        told = says("s")
        assert f"the training is paused at {console.moment}" in told
        assert (console.moment.step, console.moment.row) in (
            (before.step, before.row + 1), (before.step + 1, 0))  # fmt: skip
        before = console.moment
        says("}")
        assert (console.moment.step, console.moment.row) == (before.step + 1, before.row)
        assert thread.count in (held + 1, held + 2)
        says("S")
        assert console.moment < run.at(run.steps - 1, run.length(run.steps - 1) - 1)
        says("G")
        stop = console.moment.step + 4
        says(f"w t > {stop - 1}")
        assert "becomes true" in says("c")
        assert console.moment.step == stop
        assert "there is no level" in says("L everything", fine=False)
        says("L stats")
        assert live.wait(lambda state: state.level == "stats", SECONDS)
        held = thread.count
        assert "runs on" in says("hold")
        deadline = time.monotonic() + SECONDS
        while thread.count < held + 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)


# ---- the command -----------------------------------------------------------------------------------------------------


def test_what_is_an_address(tmp_path: Path, folder: Path) -> None:
    assert is_address("127.0.0.1:5000")
    assert is_address("localhost:1")
    for text in ("run.tgr", "train.py", str(tmp_path), "10.0.0.1:80", "127.0.0.1:", "a\0b", "x" * 10_000):
        assert not is_address(text)
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / "s"))
        assert is_address(str(folder / "s"))


def test_a_live_run_can_be_printed(training: tuple[Recorder, Training], capsys: pytest.CaptureFixture[str]) -> None:
    recorder, thread = training
    assert recorder.address is not None
    assert main(["inspect", recorder.address, "--print", "text", "--at", "t0/fwd/0"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-2].startswith(" t0/fwd/0 ")
    assert out.splitlines()[-2].endswith("running  ok")
    before = thread.count
    deadline = time.monotonic() + SECONDS
    while thread.count < before + 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_page_attaches_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is served is the address, not the recording; and who serves it does not hold the training."""
    served: list[str] = []

    def serve(args: Namespace, path: Path, title: str) -> int:
        served.append(keeper._application(args, path, title))
        return 0

    monkeypatch.setattr(keeper, "serve", serve)
    ways: tuple[bool | str, ...] = (True, "tcp")
    for how in ways:
        with Recorder(tmp_path / "r.tgr", level="values", live=how) as recorder:
            tg.ones(3) * 2.0
            assert recorder.address is not None
            with Attachment(recorder.address) as watching:
                assert main(["inspect", recorder.address, "--serve", "--screen", "train"]) == 0
                assert watching.wait(lambda state: state.viewers == 1, SECONDS)
            assert f" inspect {recorder.address} --screen=train " in served.pop()


def test_nobody_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / "s"))
    assert main(["inspect", str(folder / "s")]) == 2
    assert "has the training ended?" in capsys.readouterr().err
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
    assert main(["inspect", f"127.0.0.1:{port}"]) == 2
    assert "has the training ended?" in capsys.readouterr().err


def test_a_wrong_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Recorder(tmp_path / "r.tgr", live="tcp") as recorder:
        assert recorder.address is not None
        with Attachment(recorder.address) as live:
            assert live.state.name == "running"
        monkeypatch.setenv(endpoint.TOKEN_VARIABLE, "wrong")
        assert main(["inspect", recorder.address]) == 2
        assert "refuses: the token is not that of this training" in capsys.readouterr().err
        monkeypatch.delenv(endpoint.TOKEN_VARIABLE)
        endpoint.token_file(int(recorder.address.partition(":")[2])).unlink()
        assert main(["inspect", recorder.address]) == 2
        assert f"set {endpoint.TOKEN_VARIABLE}" in capsys.readouterr().err


GREETING = b'{"teachgrad":1,"recording":"/nowhere/r.tgr","title":"t","pid":1}\n'


@pytest.mark.parametrize(("answer", "why"), [
    (b"", "is not a training"), (b"\x80\x04N.\n", "is not a training"), (b"SSH-2.0-OpenSSH\r\n", "is not a training"),
    (b"x" * (1 << 17), "is not a training"), (b"{}\n", "is not a training"),
    (b'{"teachgrad":1,"recording":7,"title":"","pid":1}\n', "is not a training"),
    (b'{"refused":"\\u001b]0;pwned\\u0007"}\n', r"refuses: \x1b]0;pwned\x07"),
    (GREETING.replace(b"1,", b"2,", 1), "a newer teachgrad"), (GREETING, "or has just ended"),
    (GREETING + b'{"state":"running"}\n', "without computing anything"),
])  # fmt: skip
def test_whatever_answers(answer: bytes, why: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / "s"))
        listener.listen()

        def answers() -> None:
            connection, _ = listener.accept()
            with closing(connection), suppress(OSError):
                connection.sendall(answer)

        thread = threading.Thread(target=answers)
        thread.start()
        assert main(["inspect", str(folder / "s"), "--print", "text"]) == 2
        thread.join()
    err = capsys.readouterr().err
    assert why in err
    assert "Traceback" not in err
    assert "\x1b" not in err


def test_states_that_make_no_sense() -> None:
    attachment = Attachment.__new__(Attachment)
    attachment._changed = threading.Condition()
    attachment.state = State("running")
    for message in ({"state": ["paused"]}, {"state": "flying"}, {}, {"state": None}):
        attachment._hear(message)
        assert attachment.state == State("running")
    attachment._hear({"state": "paused", "at": ["x", {}], "level": ["\x1b"], "viewers": "many"})
    assert (attachment.state.name, attachment.state.at, attachment.state.viewers) == ("paused", None, 1)
    assert "\x1b" not in attachment.state.level


def test_following_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "r.tgr"
    done = threading.Event()

    def record() -> None:
        time.sleep(0.2)
        with Recorder(path, level="values"):
            time.sleep(0.1)
            tg.ones(3) * 2.0
            done.wait(SECONDS)

    thread = threading.Thread(target=record)
    thread.start()
    try:
        wait_for_rows(path, None)
        with Reader(path) as run:
            assert run.steps == 1
    finally:
        done.set()
        thread.join()


def test_following_what_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "r.tgr").write_text("something else")
    with pytest.raises(RecordingError, match="not a recording"):
        wait_for_rows(tmp_path / "r.tgr", None)


async def test_following_a_file(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values"):
        thread = Training(static=False)
        thread.start()
        wait_for_rows(tmp_path / "r.tgr", None)
        with Reader(tmp_path / "r.tgr") as run:
            app = Inspector(Session(run), None, "tape", Options(), UNICODE, {}, None, True)
            async with app.run_test(size=(100, 30)) as pilot:
                await wait_until(pilot, lambda: place(pilot)[0] > 5)
                assert shown(pilot)[-2].endswith("growing  ok")
                assert "ended early" not in shown(pilot)[0]
                await pilot.press("S")
                before = place(pilot)
                await pilot.pause(1.1)
                assert place(pilot) == before
                await pilot.press("G")
                await wait_until(pilot, lambda: place(pilot)[0] > before[0] + 5)
                thread.going = False
                thread.join(SECONDS)


@pytest.mark.parametrize("how", ["look", "key"])
async def test_a_file_that_breaks_while_it_is_followed(how: str, tmp_path: Path) -> None:
    """Whoever writes over it meanwhile: a message and status 2, not a traceback."""
    growing = tmp_path / "r.tgr"
    whole = make("net", tmp_path).read_bytes()
    growing.write_bytes(whole)
    with closing(sqlite3.connect(growing)) as connection, connection:
        connection.execute("DELETE FROM about WHERE key = 'finished'")
    with Reader(growing) as run:
        app = Inspector(Session(run), None, "tape", Options(), UNICODE, {}, None, True)
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            assert place(pilot) == (1, 15)
            growing.write_bytes(whole[:100] + bytes(len(whole) - 100))
            if how == "key":
                await pilot.press("g", "left_curly_bracket", "6")
            deadline = time.monotonic() + SECONDS
            while app.return_code is None:
                assert time.monotonic() < deadline
                await pilot.pause(0.02)
    assert app.return_code == 2
