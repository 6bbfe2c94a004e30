"""Who may come to a run that can be attached to, and that it survives whatever they bring."""

from __future__ import annotations

import json
import os
import random
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from teachgrad import observe
from teachgrad.recording import Recorder, RecordingError
from teachgrad.recording.live import endpoint, server
from teachgrad.recording.live.lines import MAX_LINE, UNITS

from .attaching import ATTACHED, Client, Run, attach, goes_on, wait_until
from .runs import leaf

pytestmark = ATTACHED


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
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.parents)
             if path.stat().st_uid == os.geteuid() and path != Path("/")}  # fmt: skip
    try:
        for path, mode in modes.items():  # as if all doors had been left open
            os.chmod(path, mode | 0o055)
        assert "belongs to another user" in comes()
    finally:
        for path, mode in modes.items():
            os.chmod(path, mode)
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
        assert guests[0].hear() == guests[11].hear() == {}, "the oldest have given way"
        guests[-1].say(token=token)
        assert "teachgrad" in guests[-1].hear()
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
