"""Fetch a file whose size and SHA-256 are known from the first mirror that has it.

A file appears under its name only when it is complete and right. Until then its bytes stand in NAME.part, from which
an interrupted download goes on, and NAME.lock keeps processes from fetching the same file at once.

A mirror is trusted with nothing: no more bytes are taken than the file has, a silent or a crawling server is given up,
a redirect leads to https alone (from a plain http mirror, such as TEACHGRAD_DATA_MIRROR may name, also to http), and
what came has to have the right SHA-256.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import DataError
from .collection import RemoteFile
from .lock import locked

TIMEOUT = 20.0  # seconds without a byte
SLOWEST = 16_000  # bytes a second that a mirror has to keep up on average, after the first TIMEOUT
CHUNK = 1 << 16


class _MirrorError(Exception):
    """Why a mirror did not give the file."""


def offline() -> bool:
    """Whether TEACHGRAD_OFFLINE forbids the network; empty and 0 mean no."""
    return os.environ.get("TEACHGRAD_OFFLINE", "") not in ("", "0")


def fetch(file: RemoteFile, folder: Path, mirrors: Sequence[str], timeout: float = TIMEOUT) -> Path:
    """The path of `file` in `folder`, fetched from the first of `mirrors` (addresses ending in /) that has it.

    A file that is there already, and right, is used without any network. DataError if no mirror has it, if the network
    is forbidden, or if the folder cannot be written to.
    """
    path = folder / file.name
    if _is_right(path, file):
        return path
    if offline():
        state = "is not the right file" if path.exists() else "is not there"
        raise DataError(
            f"{path} {state}, and TEACHGRAD_OFFLINE forbids fetching it.\n{_ways_out('Unset it', file, path)}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f"{file.name}.lock", lambda: _note(f"waiting for another download of {file.name}")):
            if _is_right(path, file):  # somebody else was faster
                return path
            return _from_mirrors(file, path, mirrors, timeout)
    except OSError as error:
        raise DataError(
            f"cannot write to {folder}: {error.strerror or error}; set TEACHGRAD_CACHE to a folder on a local disk "
            f"with {file.size:,} bytes to spare"
        ) from error


def _from_mirrors(file: RemoteFile, path: Path, mirrors: Sequence[str], timeout: float) -> Path:
    part = path.with_name(f"{file.name}.part")
    failures = []
    for mirror in mirrors:
        url = mirror + file.name
        try:
            _receive_right(url, file, part, timeout)
        except _MirrorError as error:
            failures.append(f"  {url}: {error}")
        else:
            os.replace(part, path)
            return path
    advice = _ways_out("Check the connection, or name a server of yours in TEACHGRAD_DATA_MIRROR", file, path)
    raise DataError("\n".join([f"could not fetch {file.name}:", *failures, advice]))


def _receive_right(url: str, file: RemoteFile, part: Path, timeout: float) -> None:
    """Bring `part` to the right bytes. What an earlier attempt left is used, and thrown away if it was wrong."""
    if part.exists() and part.stat().st_size > file.size:
        part.unlink()
    resumed = part.exists() and part.stat().st_size > 0
    if not (resumed and part.stat().st_size == file.size):
        _receive(url, file, part, timeout)
    if not _is_right(part, file):
        part.unlink()
        if not resumed:
            raise _MirrorError("the bytes are not the expected ones (their SHA-256 differs)")
        _receive_right(url, file, part, timeout)


def _receive(url: str, file: RemoteFile, part: Path, timeout: float) -> None:
    """Append what `part` lacks, or write it anew if the server does not go on where we stopped."""
    with part.open("ab") as out, _Progress(file) as progress:
        done = out.tell()
        try:
            response = _open(url, done, timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _MirrorError(_reason(error)) from error
        with response:
            if done and response.status != http.client.PARTIAL_CONTENT:
                done = out.truncate(0)
            if response.length is not None and done + response.length != file.size:
                raise _MirrorError(f"it offers {done + response.length:,} bytes instead of {file.size:,}")
            deadline = time.monotonic() + timeout + file.size / SLOWEST
            while chunk := _chunk(response):
                done += len(chunk)
                if done > file.size:
                    out.truncate(0)
                    raise _MirrorError(f"it sends more than the {file.size:,} bytes of the file")
                out.write(chunk)
                progress.show(done)
                if time.monotonic() > deadline:
                    raise _MirrorError(f"too slow: {done:,} of {file.size:,} bytes so far")
        if done < file.size:
            raise _MirrorError(f"it stopped after {done:,} of {file.size:,} bytes")
        out.flush()
        os.fsync(out.fileno())


def _open(url: str, offset: int, timeout: float) -> Any:
    if urlsplit(url).scheme not in ("https", "http"):
        raise ValueError("this is not an https address")
    headers = {"User-Agent": "teachgrad"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    response = _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout)
    start = response.headers.get("Content-Range", f"bytes {offset}-")
    if response.status == http.client.PARTIAL_CONTENT and not start.startswith(f"bytes {offset}-"):
        response.close()
        raise ValueError(f"asked for the bytes from {offset} on, it answers with {start}")
    return response


def _chunk(response: Any) -> bytes:
    try:
        return bytes(response.read1(CHUNK))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _MirrorError(_reason(error)) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new != "https" and not old == new == "http":
            raise urllib.error.URLError(f"it redirects from {old} to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """http, and https with certificates checked. file:, ftp: and data: addresses, which Python opens too, are not."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _is_right(path: Path, file: RemoteFile) -> bool:
    """Read and compare: a file that was damaged since is found too. 47 MB take less than 0.1 s."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _ways_out(start: str, file: RemoteFile, path: Path) -> str:
    return f"{start}, or put the file ({file.size:,} bytes, SHA-256 {file.sha256}) at {path}."


def _note(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr)


class _Progress:
    """One line on a terminal that counts up; nothing elsewhere."""

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self.shown = 0.0
        self.wanted = sys.stderr.isatty()

    def __enter__(self) -> _Progress:
        return self

    def show(self, done: int) -> None:
        if self.wanted and (time.monotonic() > self.shown + 0.1 or done == self.file.size):
            self.shown = time.monotonic()
            print(f"\r{self.file.name}  {done / 1e6:.1f} of {self.file.size / 1e6:.1f} MB", end="", file=sys.stderr)

    def __exit__(self, *_: object) -> None:
        if self.shown:
            print(file=sys.stderr)
