"""Check the installation: ``%llm doctor`` and ``python -m llm_magics doctor``.

Each check is one line: ok, warning or wrong, with the command that repairs it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from . import __version__, package_conflict
from .sanitize import single_line

Level = Literal["ok", "warning", "wrong"]
TIMEOUT_S = 4
_ROOM = 500 << 20  # bytes: the default model, as it is downloaded and converted
_MEMORY = 600 << 20  # bytes: the default model with a conversation
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        name: the part that was checked.
        level: "ok", "warning" (something optional is missing) or "wrong" (%%llm may fail).
        detail: what the check found.
        fix: the command or the sentence that repairs it; empty where nothing is to be done.
    """

    name: str
    level: Level
    detail: str
    fix: str = ""


def run_checks() -> list[Check]:
    """Run every check; a check that fails with an unexpected error is itself a warning."""
    checks: tuple[Callable[[], Check], ...] = (
        _package,
        _python,
        _libraries,
        _providers,
        _memory,
        _cache,
        _network,
        _frontend,
        _widgets,
        _tuning,
    )
    results = []
    for check in checks:
        try:
            results.append(check())
        except Exception as error:  # a report is worth more than a traceback
            detail = f"the check failed: {single_line(str(error), most=120)}"
            results.append(Check(check.__name__.strip("_"), "warning", detail))
    return results


def report(results: list[Check]) -> str:
    """Format the results, one line for each check and one for each fix."""
    lines = []
    for result in results:
        lines.append(f"{result.level:<8} {result.name:<10} {result.detail}")
        if result.fix:
            lines.append(f"{'':<8} {'':<10} → {result.fix}")
    wrong = sum(result.level == "wrong" for result in results)
    warnings = sum(result.level == "warning" for result in results)
    lines.append(f"{wrong} wrong, {warnings} warnings" if wrong or warnings else "everything is ok")
    return "\n".join(lines)


def _version(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _package() -> Check:
    if package_conflict.is_installed():
        detail = "the package 'llm-magics', another project, overwrites files of 'open-llm-magics'"
        return Check("package", "wrong", detail, package_conflict.FIX_COMMAND)
    return Check("package", "ok", f"open-llm-magics {__version__} in {_PACKAGE}")


def _python() -> Check:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.maxsize < 2**32:
        return Check("python", "wrong", f"{detail}, 32 bits", "Install a 64-bit Python.")
    return Check("python", "ok", detail)


def _libraries() -> Check:
    names = ("onnxruntime", "tokenizers", "numpy", "ipython", "huggingface_hub", "onnx-ir", "jinja2")
    result = {name: _version(name) for name in names}
    missing = [name for name, number in result.items() if number is None]
    # onnxruntime-gpu and its like provide the same module under another name.
    if "onnxruntime" in missing and any(_version(f"onnxruntime-{kind}") for kind in ("gpu", "directml")):
        missing.remove("onnxruntime")
    detail = ", ".join(f"{name} {number}" for name, number in result.items() if number)
    if missing:
        fix = f"python -m pip install {' '.join(missing)}"
        return Check("libraries", "wrong", f"{', '.join(missing)} missing; {detail}", fix)
    return Check("libraries", "ok", detail)


def _providers() -> Check:
    import onnxruntime

    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    if "CPU" not in providers:
        fix = "python -m pip install --force-reinstall onnxruntime"
        return Check("providers", "wrong", "ONNX Runtime has no CPU provider", fix)
    threads = os.cpu_count() or 1
    detail = f"ONNX Runtime: {', '.join(providers)}; {threads} logical processors"
    if "CUDA" in providers:
        from .engine.device import Device, why_unavailable

        reason, hint = why_unavailable(Device("cuda"))
        if reason:
            return Check("providers", "warning", f"{detail}; CUDA cannot be used: {reason}", hint)
    return Check("providers", "ok", detail)


def _memory() -> Check:
    from .engine.caches.cache_pool import free_bytes

    free = free_bytes()
    detail = f"{free / 1e9:.1f} GB free for this process"
    if free < _MEMORY:
        fix = "Close other programs or kernels, or raise the memory limit of the container."
        return Check("memory", "warning", f"{detail}; the default model needs 0.6 GB", fix)
    return Check("memory", "ok", detail)


def _cache() -> Check:
    from .sources import store

    home = store.home()
    fix = "Set LLM_MAGICS_HOME to a folder that you can write to."
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=home):
            pass
        free = shutil.disk_usage(home).free
    except OSError as error:
        return Check("cache", "wrong", f"{home} cannot be written: {error.strerror}", fix)
    intact = store.cached()
    damaged = [key for key in store.entries() if key not in intact]
    detail = f"{home}: {len(intact)} models, {free / 1e9:.1f} GB free"
    if damaged:
        names = ", ".join(map(single_line, damaged))
        return Check(
            "cache", "warning", f"{detail}; damaged: {names}", "They are rebuilt when they are used."
        )
    if free < _ROOM:
        return Check("cache", "warning", detail, "Free 500 MB, or set LLM_MAGICS_HOME to another disk.")
    return Check("cache", "ok", detail)


def _network() -> Check:
    from .sources import catalog, hub, package_index

    default = catalog.default_file()
    servers = {package_index.index_url(): f"{package_index.index_address()}/{default.package}/"}
    if not hub.is_offline():
        servers[hub.address()] = hub.address()
    silent = [name for name, address in servers.items() if not _answers(address)]
    if silent:
        detail = f"no answer from {', '.join(silent)}; models in the cache work without a network"
        fix = "Behind a proxy, set HTTPS_PROXY; LLM_MAGICS_INDEX_URL and HF_ENDPOINT name other servers."
        return Check("network", "warning", detail, fix)
    offline = "; HF_HUB_OFFLINE is set" if hub.is_offline() else ""
    return Check("network", "ok", f"{', '.join(servers)} answer{offline}")


def _answers(address: str) -> bool:
    """Tell whether a server answers, be it with an error of HTTP."""
    if not address.startswith(("http://", "https://")):
        return False
    try:
        with urlopen(Request(address, method="HEAD"), timeout=TIMEOUT_S):  # noqa: S310 - http(s) only
            return True
    except HTTPError as error:
        return error.code not in (502, 503, 504)
    except (OSError, ValueError):
        return False


def _frontend() -> Check:
    built = _PACKAGE / "static" / "widget.js"
    fix = "python -m pip install --force-reinstall --no-deps open-llm-magics"
    if not built.exists():
        return Check("front end", "wrong", "the interactive views are not built; views are static", fix)
    lab = _version("jupyterlab") or _version("notebook")
    if lab is None:
        return Check("front end", "ok", "built; JupyterLab is not installed in this environment")
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix)):
        manifest = Path(prefix, "share/jupyter/labextensions/open-llm-magics/package.json")
        if manifest.exists():
            number = json.loads(manifest.read_text("utf-8")).get("version")
            return Check("front end", "ok", f"built; JupyterLab {lab} has open-llm-magics {number}")
    return Check("front end", "warning", f"JupyterLab {lab} has no open-llm-magics; views are static", fix)


def _widgets() -> Check:
    number = _version("anywidget")
    if number is None:
        detail = "anywidget is not installed: VS Code and Colab show static views"
        return Check("widgets", "warning", detail, "python -m pip install 'open-llm-magics[lab]'")
    return Check("widgets", "ok", f"anywidget {number}")


def _tuning() -> Check:
    names = ("torch", "transformers", "peft")
    result = {name: _version(name) for name in names}
    if not result["torch"]:
        detail = "PyTorch is not installed: %%llm_tune does not run"
        return Check("tuning", "warning", detail, "python -m pip install 'open-llm-magics[tune]'")
    return Check("tuning", "ok", ", ".join(f"{name} {number}" for name, number in result.items() if number))
