"""Fetching from servers that are good, bad, slow and hostile. Nothing leaves this machine."""

from __future__ import annotations

import hashlib
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from teachgrad.data import download
from teachgrad.data.collection import RemoteFile
from teachgrad.data.download import fetch
from teachgrad.errors import DataError

from .conftest import Answer, Server, send, serve

DATA = np.random.default_rng(0).bytes(300_000)
FILE = RemoteFile("numbers", len(DATA), hashlib.sha256(DATA).hexdigest())


def bad(data: bytes) -> Answer:
    return lambda request: send(request, data)


def test_a_good_file_arrives_alone_and_is_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    server.answers["/numbers"] = serve(DATA)
    path = fetch(FILE, tmp_path / "new" / "folder", [server.url])
    assert path.read_bytes() == DATA
    assert sorted(os.listdir(path.parent)) == ["numbers", "numbers.lock"]
    assert fetch(FILE, path.parent, [server.url]) == path
    assert len(server.requests) == 1


def test_no_length_header_is_needed(server: Server, tmp_path: Path) -> None:
    server.answers["/numbers"] = lambda request: send(request, DATA, Content_Length="")
    assert fetch(FILE, tmp_path, [server.url]).read_bytes() == DATA


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (bad(DATA[:-1] + b"?"), "not the expected ones"),
        (bad(b"log in first"), "offers 12 bytes instead of 300,000"),
        (lambda request: send(request, DATA[:5000], Content_Length=str(len(DATA))), "stopped after 5,000 of 300,000"),
        (lambda request: send(request, DATA[:5000], Content_Length=""), "stopped after 5,000 of 300,000"),
        (lambda request: send(request, DATA + b"!", Content_Length=""), "more than the 300,000 bytes"),
        (lambda request: send(request, b"", 302, Location="file:///etc/passwd"), "file:///etc/passwd"),
        (lambda request: send(request, b"", 302, Location="ftp://127.0.0.1/numbers"), "not followed"),
        (lambda request: send(request, b"", 302, Location="/bad/numbers"), "infinite loop"),
        (lambda request: send(request, b"", 500), "HTTP 500"),
        (lambda request: request.wfile.write(b"nonsense\r\n\r\n"), "nonsense"),
        (lambda request: request.wfile.write(b""), "closed connection"),
    ],
)
def test_a_bad_mirror_is_named_and_the_next_one_is_used(
    server: Server, tmp_path: Path, answer: Answer, complaint: str
) -> None:
    server.answers |= {"/bad/numbers": answer, "/good/numbers": serve(DATA)}
    with pytest.raises(DataError, match=complaint) as caught:
        fetch(FILE, tmp_path, [f"{server.url}bad/"])
    assert f"{server.url}bad/numbers: " in str(caught.value)
    assert FILE.sha256 in str(caught.value)
    assert "TEACHGRAD_DATA_MIRROR" in str(caught.value)
    assert not (tmp_path / "numbers").exists()
    assert fetch(FILE, tmp_path, [f"{server.url}bad/", f"{server.url}good/"]).read_bytes() == DATA


def test_not_found_then_the_next_mirror(server: Server, tmp_path: Path) -> None:
    server.answers["/b/numbers"] = serve(DATA)
    assert fetch(FILE, tmp_path, [f"{server.url}a/", f"{server.url}b/"]).read_bytes() == DATA
    assert [path for path, _ in server.requests] == ["/a/numbers", "/b/numbers"]


def test_an_endless_answer_is_cut_off(server: Server, tmp_path: Path) -> None:
    sent = 0

    def endless(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        send(request, b"", Content_Length="")
        while True:
            sent += request.wfile.write(bytes(1 << 16))

    server.answers["/numbers"] = endless
    with pytest.raises(DataError, match="more than the 300,000 bytes"):
        fetch(FILE, tmp_path, [server.url])
    assert sent < 50_000_000  # what fitted into the sockets' buffers
    assert (tmp_path / "numbers.part").stat().st_size == 0


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "dripping"])
def test_a_slow_server_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    stop = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        send(request, DATA[:10], Content_Length=str(len(DATA)))
        while not stop.wait(10 if silent else 0.02):
            request.wfile.write(b"x")

    server.answers["/numbers"] = slow
    monkeypatch.setattr(download, "SLOWEST", 2_000_000)  # 300 kB in 0.15 s
    start = time.monotonic()
    with pytest.raises(DataError, match="timed out" if silent else "too slow"):
        fetch(FILE, tmp_path, [server.url], timeout=0.2)
    assert time.monotonic() - start < 5
    stop.set()


def test_plain_http_is_not_reached_from_https() -> None:
    old = urllib.request.Request("https://example.org/numbers")
    with pytest.raises(OSError, match="not followed"):
        download._Redirects().redirect_request(old, None, 302, "Found", {}, "http://example.org/numbers")
    followed = download._Redirects().redirect_request(old, None, 302, "Found", {}, "https://example.net/numbers")
    assert followed.full_url == "https://example.net/numbers"


def test_certificates_are_checked(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?i)ssl"):
        fetch(FILE, tmp_path, [server.url.replace("http:", "https:")])
    handlers = {type(handler): handler for handler in download._opener().handlers}
    context = handlers[urllib.request.HTTPSHandler]._context
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("mirror", ["file:///etc/", "/etc/", "ftp://127.0.0.1/", "data:text/plain,", "https://[/"])
def test_other_addresses_are_refused(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(DataError, match=r"not an https address|Invalid IPv6"):
        fetch(FILE, tmp_path, [mirror])


def test_a_stopped_download_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.answers |= {
        "/a/numbers": lambda request: send(request, DATA[:5000], Content_Length=str(len(DATA))),
        "/b/numbers": serve(DATA),
    }
    assert fetch(FILE, tmp_path, [f"{server.url}a/", f"{server.url}b/"]).read_bytes() == DATA
    assert server.requests == [("/a/numbers", None), ("/b/numbers", "bytes=5000-")]


def test_a_server_that_cannot_go_on_sends_everything(server: Server, tmp_path: Path) -> None:
    (tmp_path / "numbers.part").write_bytes(DATA[:5000])
    server.answers["/numbers"] = bad(DATA)
    assert fetch(FILE, tmp_path, [server.url]).read_bytes() == DATA
    assert server.requests == [("/numbers", "bytes=5000-")]


@pytest.mark.parametrize("rubbish", [b"x" * 5000, b"x" * len(DATA), b"x" * (len(DATA) + 1)])
def test_a_wrong_beginning_is_thrown_away(server: Server, tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "numbers.part").write_bytes(rubbish)
    server.answers["/numbers"] = serve(DATA)
    assert fetch(FILE, tmp_path, [server.url]).read_bytes() == DATA
    assert server.requests[-1] == ("/numbers", None)


def test_going_on_at_another_place_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "numbers.part").write_bytes(DATA[:5000])
    server.answers["/numbers"] = lambda request: send(request, DATA[4000:], 206, Content_Range="bytes 4000-299999/*")
    with pytest.raises(DataError, match="from 5000 on, it answers with bytes 4000-"):
        fetch(FILE, tmp_path, [server.url])


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "numbers").write_bytes(DATA[:-1] + b"?")
    server.answers["/numbers"] = serve(DATA)
    assert fetch(FILE, tmp_path, [server.url]).read_bytes() == DATA


def test_offline_uses_the_cache_and_asks_nobody(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/numbers"] = serve(DATA)
    monkeypatch.setenv("TEACHGRAD_OFFLINE", "1")
    with pytest.raises(DataError, match="is not there, and TEACHGRAD_OFFLINE forbids"):
        fetch(FILE, tmp_path / "a", [server.url])
    (tmp_path / "numbers").write_bytes(b"?")
    with pytest.raises(DataError, match="is not the right file"):
        fetch(FILE, tmp_path, [server.url])
    (tmp_path / "numbers").write_bytes(DATA)
    assert fetch(FILE, tmp_path, [server.url]).read_bytes() == DATA
    assert server.requests == []
    assert not (tmp_path / "a").exists()
    monkeypatch.setenv("TEACHGRAD_OFFLINE", "0")
    assert fetch(FILE, tmp_path / "a", [server.url]).read_bytes() == DATA


def test_a_folder_that_cannot_be_made_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(DataError, match=r"cannot write to .*TEACHGRAD_CACHE"):
        fetch(FILE, tmp_path / "a" / "b", [server.url])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_not_blamed_on_the_mirror(server: Server, tmp_path: Path) -> None:
    server.answers["/numbers"] = serve(DATA)
    (tmp_path / "numbers.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match="No space left"):
        fetch(FILE, tmp_path, [server.url, server.url])
    assert len(server.requests) == 1


def in_another_process(server: Server, folder: Path) -> subprocess.Popen[str]:
    code = f"""
from pathlib import Path
from teachgrad.data.collection import RemoteFile
from teachgrad.data.download import fetch
print(fetch(RemoteFile({FILE.name!r}, {FILE.size}, {FILE.sha256!r}), Path({str(folder)!r}), [{server.url!r}]))
"""
    root = str(Path(download.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )


def test_two_processes_fetch_once(server: Server, tmp_path: Path) -> None:
    both_asked = threading.Event()

    def patient(request: BaseHTTPRequestHandler) -> None:
        send(request, DATA[:1000], Content_Length=str(len(DATA)))
        both_asked.wait(10)
        request.wfile.write(DATA[1000:])

    server.answers["/numbers"] = patient
    processes = [in_another_process(server, tmp_path) for _ in range(2)]
    until(lambda: bool(server.requests))
    time.sleep(0.5)  # for the other one to reach the lock; too short a time would only make the test easier
    both_asked.set()
    for process in processes:
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert Path(out.strip()).read_bytes() == DATA
    assert len(server.requests) == 1


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_process_leaves_no_lock_and_no_wrong_file(
    server: Server, tmp_path: Path, signum: signal.Signals
) -> None:
    release = threading.Event()

    def half(request: BaseHTTPRequestHandler) -> None:
        send(request, DATA[:150_000], Content_Length=str(len(DATA)))
        request.wfile.flush()
        release.wait(10)

    server.answers["/numbers"] = half
    process = in_another_process(server, tmp_path)
    until(lambda: (tmp_path / "numbers.part").exists() and (tmp_path / "numbers.part").stat().st_size > 50_000)
    process.send_signal(signum)
    process.communicate(timeout=10)
    release.set()
    assert not (tmp_path / "numbers").exists()
    server.answers["/numbers"] = serve(DATA)
    assert fetch(FILE, tmp_path, [server.url]).read_bytes() == DATA
    start = int((server.requests[-1][1] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
    assert start > 50_000


def test_progress_is_for_terminals(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/numbers"] = serve(DATA)
    fetch(FILE, tmp_path / "a", [server.url])
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch(FILE, tmp_path / "b", [server.url])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\rnumbers  0.3 of 0.3 MB\n")


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
