"""A run that can be attached to: what viewers may say, who may come, and that the run survives all of them."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import teachgrad as tg
from teachgrad import observe, optim
from teachgrad.recording import Reader, Recorder, RecordingError
from teachgrad.recording.live import endpoint, server
from teachgrad.recording.live.lines import MAX_LINE, UNITS, Command, Lines, Refused, command_of, decode
from teachgrad.recording.moment import Moment
from teachgrad.recording.schema import WITH_ELEMENTS, Level

from .runs import edge, leaf, op, scalar, send

pytestmark = pytest.mark.skipif(not endpoint.HAS_UNIX, reason="there are no Unix sockets")
SECONDS = 10.0


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sockets in a folder of the test's own. Its name is short: that of a socket has about a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="tg-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.delenv(endpoint.TOKEN_VARIABLE, raising=False)
        yield Path(runtime) / "teachgrad"


class Run(threading.Thread):
    """A training on a thread: three rows forward in two modules, two backward, one update; then the next step."""

    def __init__(self, steps: int = 10_000, pause: float = 0.002) -> None:
        super().__init__(daemon=True)
        self.count, self.steps, self.pause = 0, steps, pause
        self.going = True

    def run(self) -> None:
        for step in range(self.steps):
            if not self.going:
                return
            base = 10 * (step + 1)
            leaf(1, 0.5, "w", parameter=True) if step == 0 else None
            op(base, "square", (1,), 0.25 + step, scope="a")
            op(base + 1, "exp", (base,), 1.5, scope="b.c")
            op(base + 2, "log", (base + 1,), 1.5, scope="b.d")
            send(observe.Seed(base + 2, scalar(1.0)))
            edge(base + 2, base + 1, 0, 1.0, 1.0)
            send(observe.Update(1, "w", scalar(0.5)))
            self.count += 1
            time.sleep(self.pause)

    def stop(self) -> None:
        self.going = False
        self.join(SECONDS)
        assert not self.is_alive()


class Client:
    """A viewer that says what it is told to."""

    def __init__(self, address: str, token: str | None = None) -> None:
        if ":" in address:
            host, _, port = address.partition(":")
            self.socket = socket.create_connection((host, int(port)), SECONDS)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
            self.socket.settimeout(SECONDS)
        self.file = self.socket.makefile("rb")
        if token is not None:
            self.say(token=token)

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def say(self, **message: Any) -> None:
        self.raw(json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        """The next message; empty at the end."""
        line = self.file.readline()
        return json.loads(line) if line else {}

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not wanted(message := self.hear()):
            assert message, "the connection ended"
        return message

    def paused(self) -> list[int]:
        at: list[int] = self.until(lambda message: message.get("state") == "paused")["at"]
        return at

    def step(self, unit: str) -> list[int]:
        self.say(do="step", unit=unit)
        self.until(lambda message: message.get("state") == "stepping")
        return self.paused()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Recorder, Run]]:
    with Recorder(tmp_path / "r.tgr", level="values", live=True) as recorder:
        run = Run()
        run.start()
        yield recorder, run
        run.stop()


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def goes_on(run: Run) -> None:
    before = run.count
    wait_until(lambda: run.count > before + 1)


def attach(recorder: Recorder, token: str | None = None) -> Client:
    assert recorder.address is not None
    return Client(recorder.address, token)


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_commands() -> None:
    assert command_of({"do": "pause"}) == Command("pause")
    assert command_of({"do": "step", "unit": "phase"}) == Command("step", unit="phase")
    assert command_of({"do": "level", "level": "stats"}) == Command("level", level="stats")


@pytest.mark.parametrize("message", [
    {}, {"do": None}, {"do": "eval"}, {"do": ["pause"]}, {"do": {}}, {"do": "step"}, {"do": "step", "unit": "mile"},
    {"do": "step", "unit": ["row"]}, {"do": "pause", "unit": "row"}, {"do": "level", "level": 3}, {"token": "x"},
    {"do": "level", "level": "values", "file": "/etc/passwd"}, {"do": "step", "unit": {"row": 1}},
])  # fmt: skip
def test_what_is_no_command_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        command_of(message)


@pytest.mark.parametrize("line", [b"", b"[]", b"1", b"null", b'"pause"', b"{", b"\xff\xfe", b"[" * 4000, b'{"a":' * 600,
                                  b"\x80\x04N.", b"GET / HTTP/1.1", b"9" * 4096, b"{'do': 'pause'}"])  # fmt: skip
def test_what_is_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(Refused):
        decode(line)


def test_lines_come_in_pieces() -> None:
    lines = Lines(10)
    assert [lines.feed(part) for part in (b"ab", b"c\nd", b"\n\ne")] == [[], [b"abc"], [b"d", b""]]
    with pytest.raises(Refused):
        lines.feed(b"x" * 10)


# ---- pausing and stepping --------------------------------------------------------------------------------------------


def test_a_viewer_pauses_and_steps(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)
    greeting, state = viewer.hear(), viewer.hear()
    assert (greeting["teachgrad"], greeting["recording"]) == (1, str(recorder.path))
    assert (state["state"], state["level"], state["viewers"]) == ("running", "values", 1)
    viewer.say(do="pause")
    step, row = viewer.paused()
    held = run.count
    with Reader(recorder.path) as reader:  # all that happened until then can be read
        assert (reader.steps - 1, reader.length(reader.steps - 1) - 1) == (step, row)
        time.sleep(0.1)
        assert run.count == held
        for _ in range(7):
            reader.refresh()
            rows = reader.length(step)
            at = viewer.step("row")
            reader.refresh()
            assert at == [reader.steps - 1, reader.length(reader.steps - 1) - 1]
            assert at == ([step, rows] if at[0] == step else [step + 1, 0])
            step = at[0]
    viewer.say(do="resume")
    goes_on(run)
    viewer.close()


def test_steps_of_every_size(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)
    viewer.say(do="pause")
    viewer.paused()
    while viewer.step("row")[1] != 0:  # a (square), with the leaf in the first step
        pass
    first = viewer.step("step")
    assert viewer.step("step") == [first[0] + 1, first[1]]
    step = viewer.step("step")[0]
    assert viewer.step("over") == [step, 3]  # over all of b: what comes after it is the backward pass
    with Reader(recorder.path) as reader:
        assert [(row.op, row.kind) for row in reader.rows(step)] == [
            ("square", "op"), ("exp", "op"), ("log", "op"), (None, "seed")]  # fmt: skip
    phases = [viewer.step("phase") for _ in range(4)]
    assert phases == [[step, 5], [step + 1, 0], [step + 1, 3], [step + 1, 5]]
    assert run.count in (step, step + 1)
    while viewer.step("row")[1] != 1:  # in b.c
        pass
    assert viewer.step("out")[1] == 2
    viewer.close()


def test_the_last_viewer_lets_it_go(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    first, second = attach(recorder), attach(recorder)
    first.say(do="pause")
    assert first.paused() == second.paused()
    first.close()
    time.sleep(0.1)
    held = run.count
    time.sleep(0.1)
    assert run.count == held
    assert second.step("step")[0] >= held
    second.close()
    goes_on(run)


def test_a_viewer_that_is_killed_lets_it_go(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    code = ("import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
            "s.sendall(b'{\"do\":\"pause\"}\\n'); time.sleep(60)")  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", code, recorder.address or ""])
    watcher = attach(recorder)
    watcher.paused()
    watcher.close()
    time.sleep(0.1)
    held = run.count
    time.sleep(0.1)
    assert run.count == held
    process.kill()
    process.wait()
    goes_on(run)


def test_the_level_can_be_changed(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)

    def last_value() -> tuple[bool, bool]:
        with Reader(recorder.path) as reader:
            number = next(row.value for row in reader.rows(reader.steps - 1) if row.op == "square")
            assert number is not None
            assert reader.level == "values"  # the most that there is
            return reader.values(number) is not None, reader.statistics(number) is not None

    for level, known in (("stats", (False, True)), ("meta", (False, False)), ("values", (True, True))):
        viewer.say(do="level", level=level)
        assert viewer.until(lambda message, level=level: message.get("level") == level)
        goes_on(run)
        viewer.say(do="pause")
        viewer.paused()
        viewer.step("step")
        assert last_value() == known
        viewer.say(do="resume")
    viewer.close()


def test_a_level_that_rises_is_told(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="meta", live=True) as recorder:
        viewer = attach(recorder)
        viewer.say(do="level", level="stats")
        viewer.until(lambda message: message.get("level") == "stats")
        leaf(1, 2.0)
        viewer.close()
    with Reader(recorder.path) as reader:
        assert reader.level == "stats"
        assert reader.trouble is None


@pytest.mark.parametrize("level", WITH_ELEMENTS)
def test_elements_are_spared_while_nobody_looks(level: Level, tmp_path: Path) -> None:
    def known() -> tuple[bool, bool]:
        """Whether the elements and the statistics of the last op were recorded."""
        with Reader(recorder.path) as reader:
            number = [row.value for row in reader.rows(reader.steps - 1) if row.kind == "op"][-1] or 0
            return reader.values(number) is not None, reader.statistics(number) is not None

    def computed() -> tuple[bool, bool]:
        op(next(numbers), "square", (1,), float(next(numbers)))
        observe.sink.commit()  # type: ignore[union-attr]
        return known()

    numbers = iter(range(10, 100))
    with Recorder(tmp_path / "r.tgr", level=level, live="spare") as recorder:
        leaf(1, 0.5, "w", parameter=True)
        assert computed() == (False, True)
        viewer = attach(recorder)
        viewer.until(lambda message: message.get("level") == level)
        assert computed() == (True, True)
        viewer.close()
        wait_until(lambda: observe.sink.level == "stats")  # type: ignore[union-attr]
        assert computed() == (False, True)
        viewer = attach(recorder)
        viewer.until(lambda message: message.get("level") == level)
        assert computed() == (True, True)
        observe.sink.budget = 0  # type: ignore[union-attr]
        assert computed() == (False, True)
        viewer.until(lambda message: message.get("level") == "stats")
        viewer.say(do="level", level=level)
        viewer.until(lambda message: message.get("level") == level)
        assert computed() == (True, True)
        viewer.close()


@pytest.mark.parametrize("static", [False, True])
def test_leaves_are_told_anew_where_more_is_kept(static: bool, tmp_path: Path) -> None:
    """Also a leaf that never changes has its elements soon after the level has risen, and each only once."""
    w, x = tg.Parameter([1.0, 2.0], name="w"), tg.tensor([0.5, -1.0], name="x")
    frozen = tg.tensor([3.0, 4.0], name="frozen")
    optimizer = optim.SGD([w], lr=0.125)

    def train(x: tg.Tensor) -> tg.Tensor:
        optimizer.zero_grad()
        loss = tg.sum(w * x * frozen)
        loss.backward()
        optimizer.step()
        return loss

    step: Callable[[tg.Tensor], tg.Tensor] = tg.static(train) if static else train
    with Recorder(tmp_path / "r.tgr", level="stats", live=True):
        for level in (None, "values"):
            if level is not None:
                observe.sink.set_level(level)  # type: ignore[union-attr]
            for _ in range(4):
                step(x)
    with Reader(tmp_path / "r.tgr") as reader:
        for name, truth in (("w", None), ("x", [0.5, -1.0]), ("frozen", [3.0, 4.0])):
            rows = [row for number in range(reader.steps) for row in reader.rows(number)
                    if row.kind == "leaf" and row.name == name]  # fmt: skip
            assert [reader.values(row.value or 0) is not None for row in rows] == [False, True], name
            assert rows[1].step <= 5
            value = reader.values(reader.value_at(rows[0].vertex, Moment(7, 0, "fwd")) or 0)
            assert value is not None
            assert truth is None or value.tolist() == truth


def test_it_says_when_it_ends(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values", live=True) as recorder:
        address = recorder.address
        assert address is not None
        viewer = attach(recorder)
        leaf(1, 2.0)
    assert viewer.until(lambda message: message.get("state") == "ended")
    assert viewer.hear() == {}
    assert recorder.address is None
    assert not os.path.exists(address)
    with Reader(recorder.path) as reader:
        assert reader.trouble is None


def test_waiting_for_a_viewer(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values", live="wait") as recorder:
        run = Run(3)
        run.start()
        time.sleep(0.1)
        assert run.count == 0
        viewer = attach(recorder)
        assert viewer.paused() == [0, 0]
        viewer.say(do="resume")
        run.join(SECONDS)
        assert run.count == 3
        viewer.close()


def test_ctrl_c_while_it_is_held(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
                      "import teachgrad as tg\ntry:\n    x = tg.ones(3) * 2.0\nexcept KeyboardInterrupt:\n"
                      "    print('interrupted', float(tg.sum(tg.ones(4))), flush=True)\n    raise\n")  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "teachgrad", "run", "--live", "--wait", "--record", str(tmp_path / "r.tgr"),
         str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stderr is not None
    address = process.stderr.readline().split()[-1]
    viewer = Client(address)
    viewer.paused()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=SECONDS)
    assert (out, process.returncode) == ("interrupted 4.0\n", 130)
    viewer.close()
    with Reader(tmp_path / "r.tgr") as reader:
        assert reader.trouble is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_children_are_not_held(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)
    viewer.say(do="pause")
    viewer.paused()
    child = multiprocessing.get_context("fork").Process(target=lambda: leaf(7, 1.0))
    child.start()
    child.join(SECONDS)
    assert child.exitcode == 0
    viewer.close()
    goes_on(run)


# ---- who comes, and what they bring ----------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [
    b"\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x80\x04N.\n", b"x" * (MAX_LINE + 1), b"[" * 4000 + b"\n",
    b"[1]\n", b"\x00" * 100 + b"\n",
])  # fmt: skip
@pytest.mark.parametrize("how", [True, "tcp"])
def test_what_is_no_line_ends_the_connection(how: bool | str, data: bytes, tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.tgr", live=how) as recorder:
        viewer = attach(recorder)
        viewer.raw(data)
        assert "refused" in viewer.until(lambda message: "teachgrad" not in message and "state" not in message)
        assert viewer.hear() == {}
        viewer.close()
        leaf(1, 2.0)


def test_a_viewer_that_paused_and_talks_nonsense_lets_it_go(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)
    viewer.say(do="pause")
    viewer.paused()
    viewer.raw(b"nonsense\n")
    goes_on(run)
    viewer.close()


def test_a_wrong_command_does_not_end_it(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)
    viewer.say(do="__import__('os').system('true')")
    assert "pause, resume" in viewer.until(lambda message: "refused" in message)["refused"]
    viewer.say(do="pause")
    assert viewer.paused()
    viewer.close()
    goes_on(run)


def test_a_flood_of_anything(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    rng = random.Random(0)
    for _ in range(30):
        viewer = attach(recorder)
        try:
            for _ in range(20):
                viewer.raw(rng.choice([
                    rng.randbytes(rng.randrange(200)), b'{"do":"pause"}\n', b'{"do":"resume"}\n',
                    json.dumps({"do": "step", "unit": rng.choice(UNITS)}).encode() + b"\n", b"{}\n", b'{"do":"step"}\n',
                ]))  # fmt: skip
        except OSError:  # cut off
            pass
        viewer.close()
    goes_on(run)


def test_one_who_does_not_listen_is_cut_off(live: tuple[Recorder, Run]) -> None:
    recorder, run = live
    viewer = attach(recorder)
    with pytest.raises(OSError):  # noqa: PT012 (some of it may still be taken)
        for _ in range(100_000):
            viewer.raw(b"{}\n" * 100)
    viewer.close()
    goes_on(run)


def test_only_so_many_viewers(live: tuple[Recorder, Run]) -> None:
    recorder, _ = live
    viewers = [attach(recorder) for _ in range(server.MOST_VIEWERS)]
    assert all(viewer.hear()["teachgrad"] == 1 for viewer in viewers)
    late = attach(recorder)
    assert "attached already" in late.hear()["refused"]
    viewers.pop().close()
    wait_until(lambda: "teachgrad" in attach(recorder).hear())
    for viewer in viewers:
        viewer.close()


def test_the_socket_is_for_its_owner_alone(live: tuple[Recorder, Run], folder: Path) -> None:
    recorder, _ = live
    assert recorder.address is not None
    assert os.path.dirname(recorder.address) == str(folder)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(recorder.address).st_mode) == 0o600


CONNECT = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
    s.sendall(b'{"do":"pause"}\\n')
    print(s.recv(4096).decode(), end="")
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused(live: tuple[Recorder, Run], folder: Path) -> None:
    recorder, run = live
    assert recorder.address is not None

    def comes() -> str:
        asked = subprocess.run([sys.executable, "-c", CONNECT, recorder.address or ""], capture_output=True, text=True,
                               check=True, cwd="/")  # fmt: skip
        return asked.stdout

    assert comes() == "PermissionError\n"
    os.chmod(recorder.address, 0o666)
    for path in (folder, *folder.parents):  # as if all doors had been left open
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            os.chmod(path, path.stat().st_mode | 0o055)
    assert "belongs to another user" in comes()
    assert run.going
    goes_on(run)


def test_whom_the_system_does_not_tell(live: tuple[Recorder, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, _ = live

    def fails(connection: socket.socket) -> int | None:
        raise OSError

    monkeypatch.setattr(endpoint, "peer", fails)
    assert "belongs to another user" in attach(recorder).hear()["refused"]
    monkeypatch.setattr(endpoint, "peer", lambda connection: None)  # a system that has no such question
    assert "teachgrad" in attach(recorder).hear()


def test_a_token_is_wanted_on_a_port(tmp_path: Path, folder: Path) -> None:
    with Recorder(tmp_path / "r.tgr", level="values", live="tcp") as recorder:
        assert recorder.address is not None
        host, _, port = recorder.address.partition(":")
        assert host == "127.0.0.1"
        file = folder / f"{port}.token"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        run = Run()
        run.start()
        token = file.read_text()
        for wrong in ("", "x" * len(token), token[:-1], token.upper() + "é", None, 7, [token]):
            viewer = Client(recorder.address)
            viewer.say(token=wrong)
            assert "token" in viewer.hear()["refused"]
            assert viewer.hear() == {}
            viewer.close()
        viewer = Client(recorder.address)
        viewer.say(do="pause")
        assert "token" in viewer.hear()["refused"]
        viewer.close()
        goes_on(run)
        viewer = Client(recorder.address, token)
        assert viewer.hear()["recording"] == str(tmp_path / "r.tgr")
        viewer.say(do="pause")
        viewer.paused()
        viewer.close()
        goes_on(run)
        run.stop()
    assert not file.exists()


def test_guests_without_a_token_do_not_keep_others_out(tmp_path: Path, folder: Path) -> None:
    with Recorder(tmp_path / "r.tgr", live="tcp") as recorder:
        assert recorder.address is not None
        token = (folder / f"{recorder.address.partition(':')[2]}.token").read_text()
        guests = [Client(recorder.address) for _ in range(server.MOST_GUESTS + 12)]
        viewer = Client(recorder.address, token)
        assert "teachgrad" in viewer.hear()
        for guest in (*guests, viewer):
            guest.close()


def test_a_folder_that_others_can_enter_is_not_used(tmp_path: Path, folder: Path) -> None:
    folder.mkdir(mode=0o755)
    with pytest.raises(RecordingError, match="only you can enter"), Recorder(tmp_path / "r.tgr", live=True):
        pass
    folder.rmdir()
    (tmp_path / "else").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "else")
    with pytest.raises(RecordingError, match="only you can enter"), Recorder(tmp_path / "r.tgr", live=True):
        pass
    assert observe.sink is None


def test_what_a_killed_run_left_goes(tmp_path: Path, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(folder / "1.sock"))
    left.close()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        (folder / f"{closed.getsockname()[1]}.token").write_text("old")
    (folder / "notes.token").write_text("mine")
    with Recorder(tmp_path / "a.tgr", live=True) as first:
        assert sorted(path.name for path in folder.iterdir()) == [f"{os.getpid()}.sock", "notes.token"]
        with Recorder(tmp_path / "b.tgr", live=True) as second:  # of the same process
            assert first.address != second.address
            viewer = attach(first)
            assert viewer.hear()["recording"] == str(tmp_path / "a.tgr")
            viewer.close()


@pytest.mark.parametrize("how", ["unix", "signal ports", 1.5, None, ["tcp"]])
def test_ways_that_there_are_not(how: Any, tmp_path: Path) -> None:
    if how is None:
        assert Recorder(tmp_path / "r.tgr", live=how).address is None
        return
    with pytest.raises(RecordingError, match="live="):
        Recorder(tmp_path / "r.tgr", live=how)


# ---- on demand -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no SIGUSR1")
def test_a_signal_opens_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with Recorder(tmp_path / "r.tgr", level="values", live="signal") as recorder:
        assert observe.sink is None
        assert recorder.address is None
        assert not recorder.path.exists()
        signal.raise_signal(signal.SIGUSR1)
        assert recorder.address is not None
        leaf(1, 2.0, "x")
        viewer = attach(recorder)
        assert viewer.hear()["recording"] == str(recorder.path)
        viewer.close()
        signal.raise_signal(signal.SIGUSR1)
    assert capsys.readouterr().err.count("teachgrad: attach with  teachgrad inspect ") == 2
    assert observe.sink is None
    assert signal.getsignal(signal.SIGUSR1) == before
    with Reader(tmp_path / "r.tgr") as reader:
        assert reader.label(next(reader.rows(0))) == "x"


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no SIGUSR1")
def test_a_signal_that_cannot_be_followed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.tgr").write_text("something else")
    with Recorder(tmp_path / "r.tgr", live="signal"):
        signal.raise_signal(signal.SIGUSR1)
        assert observe.sink is None
    assert "cannot be attached to: " in capsys.readouterr().err
    assert (tmp_path / "r.tgr").read_text() == "something else"
    with Recorder(tmp_path / "s.tgr", live="signal"):  # nobody sends it
        pass
    assert not (tmp_path / "s.tgr").exists()


TRAIN = """
import sys
import teachgrad as tg
from teachgrad import optim
w = tg.Parameter([1.0, 2.0])
opt = optim.SGD([w], lr=0.01)
for step in range(100_000):
    loss = tg.sum(w * w)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step == 10:
        print("ready", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no SIGUSR1")
def test_a_signal_in_the_middle_of_a_training(tmp_path: Path) -> None:
    """Recording may begin anywhere: within an op, a backward pass, an update."""
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    process = subprocess.Popen([sys.executable, "-m", "teachgrad", "run", "--live", "--on-signal", "--record",
                                str(tmp_path / "r.tgr"), str(script)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert process.stdout.readline() == "ready\n"
        assert process.stderr.readline() == f"teachgrad: to attach later, first  kill -USR1 {process.pid}\n"
        process.send_signal(signal.SIGUSR1)
        viewer = Client(process.stderr.readline().split()[-1])
        viewer.say(do="pause")
        viewer.paused()
        step = viewer.step("step")[0]
        with Reader(tmp_path / "r.tgr") as reader:
            parameter = next(row.vertex for row in reader.rows(max(0, step - 1)) if row.kind == "update")
            values = reader.values(reader.value_at(parameter, Moment(step - 1, 10**6, "upd")) or 0)
            assert values is not None
            assert values[1] == pytest.approx(2 * values[0])
        viewer.close()
    finally:
        process.kill()
        process.communicate()


def test_the_command_wants_to_know_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from teachgrad.cli import main

    script = tmp_path / "script.py"
    script.write_text("")
    assert main(["run", str(script)]) == 2
    assert main(["run", "--tcp", "--record", str(tmp_path / "r.tgr"), str(script)]) == 2
    err = capsys.readouterr().err
    assert "--record, or use --live" in err
    assert "go with --live" in err
    assert main(["run", "--live", str(script)]) == 0
