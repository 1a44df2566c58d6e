"""The Hugging Face Hub, through huggingface_hub.

Which files of a repository make a model, and having them here.

Its cache, its token and its environment variables (HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN,
HF_HUB_OFFLINE) are used as they are. Only data is ever fetched: safetensors, GGUF, ONNX and the JSON next to
them; no pickle, no code.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from functools import partial, wraps
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from ..core import progress
from ..core.files import json_object, read_index, stays_inside, write_atomic
from ..errors import FetchError, GatedModel, LLMMagicsError, ModelNotFound, StoreError
from ..sanitize import single_line
from . import store
from .download_progress import report_progress
from .select_files import TOKENIZER_FILES, ModelFiles, is_license_text, select_files
from .source import Source

TRIES = 4
# What a server or a user may say that becomes a part of a path.
_REVISION = re.compile(r"(?!.*(?:\.\.|//|/$))[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_ETAG = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MOST_LISTING = 64 << 20  # bytes of what the Hub says of a repository
_LONGEST_WAIT_S = 20.0
_HASTY_S = 5.0
TOKENIZER = "<tokenizer>"  # in place of a file's name: what cuts texts, and no weights
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Listing:
    """A revision of a repository: its commit, and file name → bytes (0 where unknown)."""

    commit: str
    files: Mapping[str, int]
    license: str


def resolve(repository: str, revision: str | None, *, file: str | None = None) -> Source:
    """Return what ``org/name`` stands for; with no network, what of it is in the cache.

    Raises:
        ModelNotFound: no such repository, revision or file. FetchError: it may not be read, or the Hub is out
            of reach.
        UnsupportedModel, UsageError: what it holds cannot be used, or there is a choice to make.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError:
        raise ModelNotFound(
            f"{repository!r} is not a valid name of a repository", hint="Write org/name."
        ) from None
    if revision is not None and not _REVISION.fullmatch(revision):
        raise ModelNotFound(
            f"{revision!r:.80} is not a valid revision",
            hint="Use a branch, a tag or a commit: org/name@main.",
        )
    known = _cached(repository, revision)
    listing = known if is_offline() or _is_commit(revision) else None
    if listing is None:
        try:
            listing = _listed(repository, revision, haste=known is not None)
        except FetchError:
            if known is None:
                raise
            listing = known
    commit = listing.commit

    def shards(index: str) -> list[str]:
        choice = ModelFiles("safetensors", (index,), index)
        path = _fetch(repository, commit, choice, {index: listing.files.get(index, 0)})
        return [*read_index(path).values()]

    if file == TOKENIZER:
        names = tuple(name for name in ("config.json", *TOKENIZER_FILES) if name in listing.files)
        choice = ModelFiles("safetensors", names)
    else:
        choice = select_files(repository, listing.files, file, shards=shards)
    names = choice.files

    def fetch() -> Path:
        path = _fetch(repository, commit, choice, {name: listing.files.get(name, 0) for name in names})
        _fetch_texts(repository, commit, choice, listing)
        note = _note(repository, revision)
        with store.writing(note):
            note.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(note, json.dumps(asdict(listing)))
        return path

    def metadata() -> Path | None:
        """Return config.json, fetched alone; None for a file that tells its shape itself, and is large."""
        if choice.kind != "safetensors" or "config.json" not in listing.files:
            return None
        small = ModelFiles("safetensors", ("config.json",), "config.json")
        return _fetch(repository, commit, small, {"config.json": listing.files["config.json"]})

    digest = hashlib.sha256("\0".join([repository, commit, *sorted(names)]).encode()).hexdigest()
    return Source(choice.kind, repository, commit, digest, listing.license, fetch, metadata)


def _fetch_texts(repository: str, commit: str, choice: ModelFiles, listing: _Listing) -> None:
    """Fetch the license texts of a repository, which a copy of the model needs; it works without them."""
    texts = {name: size for name, size in listing.files.items() if is_license_text(name, size)}
    if texts and not is_offline():
        with suppress(FetchError):
            _fetch(repository, commit, ModelFiles(choice.kind, tuple(texts), choice.path), texts)


def _listed(repository: str, revision: str | None, *, haste: bool) -> _Listing:
    """Ask the Hub for the files of a repository; with ``haste``, give up early."""
    if is_offline():
        raise FetchError(
            f"{repository} is not in the cache, and HF_HUB_OFFLINE is set",
            hint="Unset it, or copy the cache to this machine.",
        )
    progress.report(f"asking the Hub for {single_line(repository)} …", None)
    info = request(
        lambda: _model_info(repository, revision, timeout=_HASTY_S if haste else 20.0),
        repository,
        revision,
        tries=1 if haste else TRIES,
    )
    files = _files_of(info, repository)
    for name in files:
        if not stays_inside(name):
            raise FetchError(
                f"{repository} lists a file outside of its folder: {name!r:.80}",
                hint="Use another source: the repository is suspicious.",
            )
    if not _is_commit(info.get("sha")):
        raise FetchError(f"the Hub returned no commit hash for {repository}", hint="Check HF_ENDPOINT.")
    card = info.get("cardData")
    return _Listing(info["sha"], files, license_of(card) if isinstance(card, dict) else "unknown")


def license_of(card: Mapping[str, Any]) -> str:
    """Return the license that a model card states; of "other", the name that it gives it."""
    named = [card.get("license"), card.get("license_name")]
    stated = [single_line(name, most=80) for name in named if isinstance(name, str) and name.strip()]
    return stated[-1].lower() if stated and stated[0].lower() == "other" else (stated or ["unknown"])[0]


def _model_info(repository: str, revision: str | None, *, timeout: float) -> dict[str, Any]:
    """Return what the Hub says of a repository."""
    path = f"models/{repository}" + (f"/revision/{quote(revision, safe='')}" if revision else "")
    result: dict[str, Any] = get_json(path, {"blobs": "true"}, timeout=timeout, kind=dict)
    return result


def get_json(path: str, params: Mapping[str, Any], *, timeout: float, kind: type[Any]) -> Any:
    """Return an answer of the Hub's API, of bounded size: HfApi reads a page without end.

    Args:
        path: behind the address of the API.
        params: of the query.
        timeout: seconds.
        kind: what the answer must be, dict or list.

    Raises:
        ValueError: it is no JSON, of another kind, or too large. Errors of the network go through.
    """
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public all the same
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    url = f"{_endpoint() or 'https://huggingface.co'}/api/{path}"
    session: Any = get_session()
    asked = {"params": params, "headers": build_hf_headers(), "timeout": timeout}
    if hasattr(session, "mount"):  # requests
        response = session.get(url, stream=True, **asked)
        with response:
            hf_raise_for_status(response)
            data = _bounded(response.iter_content(1 << 16))
    else:  # httpx
        with session.stream("GET", url, follow_redirects=True, **asked) as response:
            if response.status_code >= 400:
                response.read()
            hf_raise_for_status(response)
            data = _bounded(response.iter_bytes(1 << 16))
    result = json.loads(data)
    if not isinstance(result, kind):
        raise ValueError("it is no object" if kind is dict else "it is no list")
    return result


def _bounded(blocks: Iterable[bytes]) -> bytes:
    """Join blocks of a response.

    Raises:
        ValueError: there are more bytes than a listing can have.
    """
    data = bytearray()
    for block in blocks:
        data += block
        if len(data) > _MOST_LISTING:
            raise ValueError(f"it has more than {_MOST_LISTING >> 20} MB")
    return bytes(data)


def _files_of(info: Mapping[str, Any], repository: str) -> dict[str, int]:
    """Name → bytes.

    Raises:
        FetchError: the list is none.
    """
    try:
        siblings = info.get("siblings") or []
        names = [item["rfilename"] for item in siblings]
        sizes = [item.get("size") or 0 for item in siblings]
        if not all(isinstance(name, str) for name in names) or not all(type(size) is int for size in sizes):
            raise ValueError("a file has no name or no size")
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise FetchError(
            f"the Hub's list of files of {repository} cannot be used: {error}", hint="Check HF_ENDPOINT."
        ) from error
    return dict(zip(names, sizes, strict=True))


def _guard_paths() -> None:
    """Check what a server says before huggingface_hub makes a path of it.

    Its ETag becomes a file's name and its commit a folder's (huggingface_hub 0.36 to 2.4): a mirror that
    says "../../x" would be written to there.
    """
    from huggingface_hub import file_download

    real = file_download.get_hf_file_metadata
    if getattr(real, "checked_by_llm_magics", False):
        return

    @wraps(real)
    def checked(*args: Any, **more: Any) -> Any:
        result = real(*args, **more)
        if result.etag is not None and not _ETAG.fullmatch(result.etag):
            raise FetchError(
                f"the Hub sent an invalid ETag: {result.etag!r:.80}",
                hint="Use another HF_ENDPOINT: its answer is suspicious.",
            )
        if result.commit_hash is not None and not _is_commit(result.commit_hash):
            raise FetchError(
                f"the Hub sent an invalid commit: {result.commit_hash!r:.80}",
                hint="Use another HF_ENDPOINT: its answer is suspicious.",
            )
        return result

    checked.checked_by_llm_magics = True  # type: ignore[attr-defined]  # so that it is wrapped once
    file_download.get_hf_file_metadata = checked


def _cached(repository: str, revision: str | None) -> _Listing | None:
    """Return what was found out before, or what huggingface_hub's cache holds of a revision."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json_object(_note(repository, revision))
        if _is_commit(known["commit"]):
            return _Listing(
                known["commit"],
                {str(name): int(size) for name, size in known["files"].items()},
                known["license"],
            )
    place = _cache() / ("models--" + repository.replace("/", "--"))
    commit = revision or "main"
    try:
        if not _is_commit(commit):
            commit = (place / "refs" / commit).read_text("utf-8").strip()
        folder = place / "snapshots" / commit
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in folder.rglob("*")
            if path.is_file()
        }
    except (OSError, UnicodeDecodeError):
        return None
    return _Listing(commit, files, "unknown") if files and _is_commit(commit) else None


def _note(repository: str, revision: str | None) -> Path:
    """Return where the listing of a revision is kept for the day there is no network."""
    name = hashlib.sha256(f"{_endpoint()}\0{repository}\0{revision}".encode()).hexdigest()[:24]
    return store.home() / "hub" / f"{name}.json"


def _fetch(repository: str, commit: str, choice: ModelFiles, sizes: Mapping[str, int]) -> Path:
    """Download what is not here yet; gives the file or folder that the choice names."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    _guard_paths()
    cache = _cache()
    have = {
        name
        for name in sizes
        if isinstance(try_to_load_from_cache(repository, name, cache_dir=cache, revision=commit), str)
    }
    missing = {name: size for name, size in sizes.items() if name not in have}
    if missing:
        store.require_room(cache, sum(missing.values()))
    done, total = 0, sum(missing.values())
    blobs = cache / repo_folder_name(repo_id=repository, repo_type="model") / "blobs"
    for name, size in sizes.items():
        reporting = (
            report_progress(blobs, f"{repository}: {name}", done, total) if name in missing else nullcontext()
        )
        with reporting:
            path = Path(
                request(
                    partial(
                        hf_hub_download,
                        repository,
                        name,
                        revision=commit,
                        cache_dir=cache,
                        endpoint=_endpoint(),
                        local_files_only=name in have or is_offline(),
                    ),
                    repository,
                    commit,
                )
            )
        done += missing.get(name, 0)
        if size and (result := path.stat().st_size) != size:
            with suppress(OSError):  # huggingface_hub from 1.0 on keeps what was cut short
                path.resolve().unlink(missing_ok=True)
                path.unlink(missing_ok=True)
            raise FetchError(
                f"{name} of {repository} has {result:,} bytes, not {size:,}",
                hint="Try again to download it.",
            )
    folder = path.parents[len(PurePosixPath(name).parts) - 1]
    return folder / choice.path if choice.path else folder


def request(call: Callable[[], T], repository: str, revision: str | None, *, tries: int = TRIES) -> T:
    """Return the answer to a request, tried again when it is worth it; errors in our words."""
    for attempt in range(1, tries + 1):
        try:
            return call()
        except LLMMagicsError:
            raise
        except Exception as error:
            if not _is_network_error(error):
                raise FetchError(
                    f"the Hub's answer about {repository} cannot be used: {type(error).__name__} "
                    f"{single_line(str(error), most=120)}",
                    hint="Check HF_ENDPOINT, or copy the model's folder to this machine and use its path.",
                ) from error
            if attempt == tries or not _is_transient(error):
                raise _as_fetch_error(error, repository, revision) from error
            time.sleep(_wait(error, attempt))
    raise AssertionError  # the loop above returns or raises; said for the type checker


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _is_network_error(error: Exception) -> bool:
    # requests' errors are OSErrors; later versions of huggingface_hub use httpx or httpx2: theirs are not.
    module = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or module.startswith(("httpx", "httpcore", "requests", "urllib3"))


def _is_transient(error: Exception) -> bool:
    """Return whether the same request may go well a moment later."""
    status = _status(error)
    if status is not None:
        return status in (408, 429) or status >= 500
    return not isinstance(error, FileNotFoundError) and getattr(error, "errno", None) not in _DISK


def _wait(error: Exception, attempt: int) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    asked = str(headers.get("Retry-After", ""))
    return min(float(asked) if asked.isdigit() else 0.25 * 2**attempt, _LONGEST_WAIT_S)


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


def _as_fetch_error(error: Exception, repository: str, revision: str | None) -> LLMMagicsError:
    from huggingface_hub import errors

    page = f"{address()}/{repository}"
    login = "run `hf auth login`, or set HF_TOKEN"
    status = _status(error)
    if getattr(error, "errno", None) in _DISK:
        return StoreError(
            f"{repository} could not be written: {error}",
            hint="Free disk space, or set HF_HOME to another disk.",
        )
    if isinstance(error, errors.GatedRepoError):
        return GatedModel(
            f"{repository} is gated: its license must be accepted first",
            hint=f"Accept it at {page}.\nThen {login}.\nRun %llm models to see models that are not gated.",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelNotFound(
            f"{repository} has no revision {revision!r}", hint=f"Choose one of {page}/commits."
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return FetchError(
            f"{repository} cannot be reached, and the cache is incomplete",
            hint="Connect to a network, and try again.",
        )
    if isinstance(error, errors.EntryNotFoundError):
        return ModelNotFound(
            f"{repository} lists a file that does not exist", hint="Try again, or choose another revision."
        )
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        return ModelNotFound(
            f"the Hub has no repository {repository}", hint=f"Check the name. If it is private, {login}."
        )
    if status in (401, 403):
        return FetchError(
            f"the Hub does not let you read {repository} ({status})",
            hint=f"Ask for access at {page}, then {login}.",
        )
    if status == 429:
        return FetchError(
            "too many requests to the Hub (429)",
            hint=f"Wait a few minutes. For a higher limit, {login}.",
        )
    if status is not None:
        return FetchError(
            f"the Hub answered {status} for {repository}", hint="Try again later: this is a server error."
        )
    what = type(error).__name__
    return FetchError(
        f"{repository} could not be downloaded from {address()}: {what}",
        hint="Check the network, or copy the folder of the model to this machine and use its path.",
    )


def _endpoint() -> str | None:
    return (os.environ.get("HF_ENDPOINT") or "").rstrip("/") or None


def address() -> str:
    """Return the Hub's address without a password that may be in it."""
    try:
        parts = urlsplit(_endpoint() or "https://huggingface.co")
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        return "HF_ENDPOINT"


def is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _cache() -> Path:
    """Return huggingface_hub's cache folder."""
    from huggingface_hub import constants

    if folder := os.environ.get("HF_HUB_CACHE"):
        return Path(folder).expanduser()
    if folder := os.environ.get("HF_HOME"):
        return Path(folder).expanduser() / "hub"
    return Path(constants.HF_HUB_CACHE)


def repositories() -> list[str]:
    """List the repositories that huggingface_hub's cache holds."""
    folders = _cache().glob("models--*--*")
    return sorted(path.name.removeprefix("models--").replace("--", "/", 1) for path in folders)


def _is_commit(text: object) -> bool:
    return isinstance(text, str) and len(text) == 40 and all(char in "0123456789abcdef" for char in text)
