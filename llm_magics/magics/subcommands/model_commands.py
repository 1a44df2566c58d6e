"""Subcommands about models: which there are, which is in use, what they ask for and cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import Interrupted, UsageError
from ...models.remote.address import is_server
from ...sanitize import safe_print
from ...sanitize import single_line as one_line
from ...sources import catalog
from ..inspection.output import ProgressOutput
from ..parsing.cell_request import CellRequest
from ..parsing.options import LOADING
from .base import CommandHost, CommandLine, Subcommand, model_name, names_a_model, words_up_to

if TYPE_CHECKING:
    from ...core.records import Generation
    from ...engine.base import Engine
    from ...models.model import Model
    from ...models.remote.model import RemoteModel
    from ...views.inspection_record import InspectionRecord

_SOURCE = ("precision", "kv_cache", "file", "ignore_config")


def _fetch(magics: CommandHost, request: CellRequest) -> None:
    """Load the model that a line names: to use it, or to have it on the disk."""
    output = ProgressOutput(magics.shell, quiet=request.quiet)
    named = replace(request, model=request.prompt)
    try:
        with output.capture_progress():
            if request.command == "use" and is_server(named.model):
                model = magics.models.answering_for(named)
                return output.show_text(f"{one_line(model.name)} is in use: a model behind a server")
            model = magics.models.use_for(named) if request.command == "use" else magics.models.fetch(named)
    except KeyboardInterrupt:
        raise Interrupted("stopped; what was downloaded is kept") from None
    verb = "in use" if request.command == "use" else "ready"
    output.show_text(
        f"{one_line(model.name)} is {verb}: {model.info.precision}, "
        f"{model.weights_bytes / 1e6:,.0f} MB, {model.context_length:,} tokens of context, "
        f"licence {one_line(model.info.license)}"
    )


def _card(line: CommandLine) -> CellRequest | None:
    fits = not line.words or (len(line.words) == 1 and names_a_model(line.words[0]))
    return CellRequest("card", " ".join(line.words)) if fits and not line.before else None


def _show_catalog(magics: CommandHost, request: CellRequest) -> InspectionRecord:
    """Show the models that have a name, or the card of one."""
    from ...models.catalog.card import card
    from ...models.catalog.model_table import list_models

    output, loaded = ProgressOutput(magics.shell, quiet=False), magics.models.loaded
    with output.capture_progress():
        if request.command == "card":
            own = loaded if loaded and not request.prompt else None
            record: InspectionRecord = own.card() if own else card(request.prompt or None)
        else:
            words = [word for word in request.prompt.split() if word != "--measure"]
            record = list_models(
                " ".join(words),
                measure="--measure" in request.prompt.split(),
                in_use=loaded.name if loaded else "",
            )
    output.show_result(record, "")
    return record


def _licenses(magics: CommandHost, request: CellRequest) -> None:
    """Print the licenses of a notebook's file, or of the models that this session used."""
    from ...models.catalog import notebook_licenses as licenses

    if request.prompt:
        return safe_print(licenses.licenses(request.prompt))
    loaded = magics.models.loaded
    used = {**magics.models.used, **({loaded.name: loaded.info.license} if loaded else {})}
    if not used:
        raise UsageError(
            "no model was used in this session",
            hint="Write the name of a notebook: %llm licenses FILE.ipynb.",
        )
    return safe_print(licenses.joined(used))


def _fit(magics: CommandHost, request: CellRequest) -> None:
    safe_print(str(magics.models.fit(request)))


def _remove(magics: CommandHost, request: CellRequest) -> None:
    from ...sources import cache_admin

    safe_print(cache_admin.remove(request.prompt))


def _search(magics: CommandHost, request: CellRequest) -> None:
    from ...models.catalog import hub_search

    safe_print(hub_search.listing(request.prompt))


def _adapter_line(line: CommandLine) -> CellRequest | None:
    if line.before or not (not line.words or (len(line.words) == 2 and line.words[0] == "rm")):
        return None
    return CellRequest("adapters", line.words[1] if line.words else "")


def _adapters(magics: CommandHost, request: CellRequest) -> None:
    from ...sources import adapters

    safe_print(adapters.delete(request.prompt) if request.prompt else adapters.listing())


def _status(magics: CommandHost, request: CellRequest) -> None:
    named = {getattr(request, option) for option in LOADING}
    if named == {None} and (remote := magics.models.remote) is not None:
        return _print_rows(_server_status(remote))
    model = magics.models.loaded if named == {None} else magics.models.use_for(request)
    if model is None:
        entry = catalog.find()
        return safe_print(
            f"No model is loaded yet. The first %%llm loads {entry.name}\n"
            f"({entry.title}, {entry.size_bytes / 1e6:.0f} MB to fetch once, licence {entry.license})."
        )
    rows = {
        "model": model.name,
        "revision": f"{model.info.revision}, fingerprint {model.info.fingerprint[:12]}…",
        "licence": model.info.license,
        "precision": model.info.precision,
        "fidelity": str(model.fidelity or "not measured yet: Model.measure_fidelity() does it"),
        "context": f"{model.context_length:,} tokens",
        "memory": f"{model.weights_bytes / 1e6:,.0f} MB weights, {_caches(model)}",
        "speed": _speed(model.last),
        "sampling": _sampling(model),
        "device": str(getattr(model.engine, "device", "cpu")),
        "threads": _threads(model.engine),
        "conversations": f"{magics.conversations}; -c goes on with one",
    }
    return _print_rows(rows)


def _print_rows(rows: dict[str, str]) -> None:
    safe_print("\n".join(f"{name:<13} {one_line(value)}" for name, value in rows.items()))


def _server_status(remote: RemoteModel) -> dict[str, str]:
    """Return what is known of a model behind a server."""
    context = f"{remote.context_length:,} tokens" if remote.context_length else "not told by the server"
    return {
        "model": remote.served,
        "server": remote.info.revision,
        "context": context,
        "speed": _speed(remote.last),
        "supported": "answers, conversations, --map, --schema, --choices and tokens",
    }


def _speed(last: Generation | None) -> str:
    if last is None or not last.tokens:
        return "nothing generated yet"
    timing = last.timing
    return f"{timing.decode_tokens_per_s:.0f} tokens/s, first after {timing.first_token_s * 1000:.0f} ms"


def _sampling(model: Model) -> str:
    """Return the sampling settings of the model's maker, which options that are not stated have."""
    own = ", ".join(f"{name} {value:g}" for name, value in model.sampling_defaults.items())
    return f"{own} (recommended by its maker)" if own else "the defaults of --help"


def _threads(engine: Engine) -> str:
    """Return the threads of the engine, next to the cores that there are."""
    from ...engine.sessions.threads import default_threads, usable_cores

    cores = usable_cores()
    count = getattr(engine, "threads", 0) or default_threads().count
    return f"{count or cores} of {cores} core{'s' * (cores != 1)}" + (
        " (more than there are: slower; --threads sets it)" if count > cores else " (--threads sets it)"
    )


def _caches(model: Model) -> str:
    pool = model.pool
    count = f"{pool.count} KV cache{'s' if pool.count != 1 else ''}"
    return f"{pool.nbytes / 1e6:,.0f} MB in {count} of at most {pool.budget / 1e6:,.0f} MB (--cache-mb)"


COMMANDS = {
    "status": Subcommand("%llm status", "show the model in use, its memory and its speed", _status),
    "models": Subcommand(
        "%llm models [WORDS]",
        "list the known models: what fits, licenses, speed; --measure times this machine",
        _show_catalog,
        words_up_to(4),
        example="%llm models commercial < 3 GB",
    ),
    "card": Subcommand(
        "%llm card [NAME]",
        "what the license of a model asks, and what the model costs to run",
        _show_catalog,
        _card,
    ),
    "licenses": Subcommand(
        "%llm licenses [FILE]",
        "the licenses of the models used in this session, or in a notebook's file",
        _licenses,
        words_up_to(1, ends=".ipynb"),
    ),
    "search": Subcommand(
        "%llm search WORDS",
        "search the Hugging Face Hub for models, at most three words",
        _search,
        words_up_to(3, 1),
        needs="WORDS",
        example="%llm search smollm2",
    ),
    "fit": Subcommand(
        "%llm fit [NAME] [-p P]",
        "estimate whether a model fits into the free memory; nothing is loaded",
        _fit,
        model_name(optional=True, options=_SOURCE),
        _SOURCE,
    ),
    "use": Subcommand(
        "%llm use NAME [-p P]",
        "use another model in the cells that follow",
        _fetch,
        model_name(optional=False, options=(*_SOURCE, "anyway", "quiet", "device", "threads", "cache_mb")),
        (*_SOURCE, "anyway", "quiet", "device", "threads", "cache_mb"),
        needs="the NAME of a model",
    ),
    "pull": Subcommand(
        "%llm pull NAME [-p P]",
        "download a model and convert it, without using it",
        _fetch,
        model_name(optional=False, options=(*_SOURCE, "anyway", "quiet")),
        (*_SOURCE, "anyway", "quiet"),
        needs="the NAME of a model",
    ),
    "rm": Subcommand(
        "%llm rm NAME",
        "delete a model from the cache",
        _remove,
        words_up_to(1, 1),
        needs="the NAME of a model",
    ),
    "adapters": Subcommand(
        "%llm adapters [rm NAME]",
        "list the saved adapters of %%llm_tune -n NAME; rm deletes one",
        _adapters,
        _adapter_line,
    ),
}
