"""The model that the cells, the playgrounds and the views of a notebook share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..core.records import ModelInfo
from ..errors import UsageError
from ..models.remote.address import is_server
from ..sanitize import single_line
from ..sources import catalog

if TYPE_CHECKING:
    from ..models.catalog.fit import Fit
    from ..models.language_model import LanguageModel
    from ..models.model import Model
    from ..models.remote.model import RemoteModel
    from .parsing.cell_request import CellRequest


class ModelProvider(Protocol):
    """Where the magics, the playgrounds and the views get their model."""

    @property
    def loaded(self) -> Model | None: ...
    @property
    def active(self) -> Model | None: ...
    @property
    def remote(self) -> RemoteModel | None: ...
    @property
    def standing_adapter(self) -> tuple[str, float] | None: ...
    @property
    def sampling(self) -> Mapping[str, Any]: ...
    def use(self, name: str | None = None, *, precision: str | None = None) -> Model: ...
    def model_of(self, info: ModelInfo) -> Model: ...
    def pull(self, name: str) -> Model: ...
    def set_adapter(self, name: str | None, strength: float = 1.0) -> None: ...


class ModelSession:
    """The newest model, how it was requested, and the adapter of the last answer.

    Args:
        variables: returns the variables of the notebook, which may be runs and adapters.
    """

    def __init__(self, variables: Callable[[], Mapping[str, Any]]) -> None:
        self._variables = variables
        self._model: Model | None = None  # the newest only: an earlier one gives its memory back
        self._adapted: Model | None = None  # that model with the adapter of the last answer
        self._options: dict[str, Any] = {}  # how it was requested
        self._defaults: dict[str, Any] = {}  # the settings about the model
        self._sampling: dict[str, Any] = {}  # the settings about sampling
        self._changed = False  # whether these are another model's since the last cell
        self._remote: RemoteModel | None = None  # the server that is in use instead
        self._draft: tuple[dict[str, Any], Model] | None = None  # how it was requested, and the model
        self._standing: tuple[str, float] | None = None  # the adapter of cells that state none
        self.used: dict[str, str] = {}  # name → license of every model of this session

    def set_defaults(self, defaults: Mapping[str, Any], sampling: Mapping[str, Any]) -> None:
        """Take the settings.

        Args:
            defaults: those about the model; they count where no model is loaded, and where they change.
            sampling: those about sampling.
        """
        self._sampling = dict(sampling)
        if defaults != self._defaults:
            self._defaults, self._changed = dict(defaults), self._model is not None

    @property
    def loaded(self) -> Model | None:
        """Return the model in use, without adapter; None where a server is in use."""
        return None if self._remote else self._model

    @property
    def sampling(self) -> Mapping[str, Any]:
        """Return the default sampling options: the settings, else those of the model's maker."""
        return {**(self._model.sampling_defaults if self._model else {}), **self._sampling}

    @property
    def active(self) -> Model | None:
        """Return the model in use, with the adapter of the last answer; None where a server is in use."""
        return None if self._remote else self._adapted or self._model

    @property
    def answering(self) -> LanguageModel | None:
        """Return what answers the next cell, where it is loaded: a model, or a server."""
        return self._remote or self.active

    @property
    def remote(self) -> RemoteModel | None:
        """Return the model behind a server that is in use, or None."""
        return self._remote

    @property
    def standing_adapter(self) -> tuple[str, float] | None:
        """Return the saved adapter of cells that state none, and its strength; None for none."""
        return self._standing

    def set_adapter(self, name: str | None, strength: float = 1.0) -> None:
        """Set the adapter of the cells that state none, until another model is loaded.

        Raises:
            UsageError: there is no such adapter, or it was trained on another model.
        """
        if name is None:
            self._standing = self._adapted = None
            return
        self._adapted = self.use().with_adapter(name, strength)
        self._standing = name, strength

    def use(
        self,
        name: str | None = None,
        *,
        precision: str | None = None,
        kv_cache: str | None = None,
        device: str | None = None,
        threads: int | None = None,
        file: str | None = None,
        ignore_config: tuple[str, ...] | None = None,
        cache_mb: int | None = None,
        anyway: bool | None = None,
    ) -> Model:
        """Load a model, or return the loaded one; an earlier one gives its memory back.

        Options that are None stay as they are: a cell without options uses the same model, and a cell with
        a precision uses it in that precision. "default" is the default model.

        Raises:
            UsageError: the model in use, or the one that is named, is behind a server.
        """
        from ..models.loading.load import load

        if is_server(name) or (name is None and self._remote is not None):
            raise needs_local_model(str(name) if self._remote is None else self._remote.name)
        self._remote = None
        before = self._model
        if name is None and (before is None or self._changed):
            stated = self._defaults
            name = stated.get("model", "default" if self._changed else None)
            precision = stated.get("precision") if precision is None else precision
            kv_cache = stated.get("kv_cache") if kv_cache is None else kv_cache
            device = stated.get("device") if device is None else device
            threads = stated.get("threads") if threads is None else threads
            cache_mb = stated.get("cache_mb") if cache_mb is None else cache_mb
        self._changed = False
        options = {
            "precision": precision,
            "kv_cache": kv_cache,
            "device": device,
            "threads": threads,
            "file": file,
            "ignore_config": ignore_config,
            "anyway": anyway,
        }
        if before is not None and {name, cache_mb, *options.values()} == {None}:
            return before
        complete = self._complete(name, **options)
        model = load(**complete, cache_mb=cache_mb)
        if before is not None and before is not model:
            del before
            self.clear()
        self._model, self._options = model, complete
        self.used[model.name] = model.info.license
        return model

    def answering_for(self, request: CellRequest) -> LanguageModel:
        """Return the model that a cell requests, or the one behind the server that it names."""
        name = request.model or (self._defaults.get("model") if self._changed or not self.answering else None)
        if not is_server(name) and (name is not None or self._remote is None):
            return self.use_for(request)
        from ..models.remote.model import connect, server_lacks

        if self._remote is None or (name is not None and not _same_server(str(name), self._remote)):
            self._remote = connect(str(name))
            self.used[self._remote.name] = "unknown"
        self._changed = False
        names = ("adapter", "draft", "think", "tools", "regex", "grammar")
        stated = {**_loading_options(request), **{name: getattr(request, name) for name in names}}
        for option, value in stated.items():
            if value is not None and value is not False and value != ():
                raise server_lacks(self._remote.name, f"--{option.replace('_', '-')}")
        return self._remote

    def use_for(self, request: CellRequest) -> Model:
        """Load the model and the adapter that a cell requests.

        Raises:
            UsageError: it is behind a server.
        """
        model = self.use(request.model, **_loading_options(request), cache_mb=request.cache_mb)
        if request.adapter is not None:
            self._adapted = self._with_adapter(model, request.adapter)
        else:
            self._adapted = None if self._standing is None else model.with_adapter(*self._standing)
        return self._adapted or model

    def pair_for(self, request: CellRequest) -> tuple[Model, Model]:
        """Return the active model, which stays active, and the one that a comparison requests."""
        from ..models.loading.load import load

        model = self.active or self.use()
        other = load(**self._complete(request.model, **_loading_options(request)))
        return model, other if request.adapter is None else self._with_adapter(other, request.adapter)

    def draft(self, name: str) -> Model:
        """Load the model that guesses tokens for the one in use; it is kept until another is named."""
        from ..models.loading.load import load

        complete = self._complete(name)
        if self._draft is None or self._draft[0] != complete:
            self._draft = None  # gives its memory back before the next is loaded
            self._draft = complete, load(**complete)
        return self._draft[1]

    def fetch(self, request: CellRequest) -> Model:
        """Download and convert the model that a line names; the one in use stays in use."""
        from ..models.loading.load import load

        return load(**self._complete(request.model, **_loading_options(request)))

    def pull(self, name: str) -> Model:
        """Download and convert a model of the catalog."""
        from ..models.loading.load import load

        return load(name)

    def fit(self, request: CellRequest) -> Fit:
        """Estimate the memory of the model that a line names, or of the one in use."""
        from ..models.catalog.fit import fit

        used = {} if request.prompt else self._options
        name = request.prompt or used.get("name")
        return fit(
            None if name == "default" else name,
            precision=request.precision or used.get("precision") or "auto",
            kv_cache=request.kv_cache or used.get("kv_cache") or "fp32",
            file=request.file,
            ignore_config=request.ignore_config or (),
        )

    def model_of(self, info: ModelInfo) -> Model:
        """Return the model of a record: the loaded one, or the default model if the record names it.

        Raises:
            UsageError: it is another model. A notebook's file may name any model, so none is downloaded.
        """
        if is_server(info.revision):
            raise UsageError(
                f"{single_line(info.name)} is behind a server, which cannot continue from a token",
                hint="Ask a model on this machine.",
            )
        if self._model is None:
            if info.name != catalog.find().name:
                name = single_line(info.name)
                raise UsageError(f"{name} is not loaded", hint=f"Run %llm -m {name} in a cell first.")
            self.use()
        assert self._model is not None
        return self._model.variant(info.fingerprint) or self._model

    def clear(self) -> None:
        """Release the model and its memory."""
        if self._model is not None:
            from ..models.loading.load import trim_malloc

            self._model = self._adapted = self._draft = self._standing = None
            self._options = {}
            trim_malloc()

    def _complete(self, name: str | None, **options: Any) -> dict[str, Any]:
        """Return the options to load a model with; without a name, those of the model in use apply."""
        changed = {option: value for option, value in options.items() if value is not None}
        if name is None:
            return {**self._options, **changed}
        name, precision = split_precision(name)
        changed = {**({"precision": precision} if precision else {}), **changed}
        if name == "default":
            return changed
        from ..sources.resolve import local

        path = None if name in catalog.entries() else local(name)
        # An absolute path: the next cell may run in another folder.
        return {**changed, "name": name if path is None else str(path.resolve())}

    def _with_adapter(self, model: Model, text: str) -> Model:
        """Return the model with an adapter: of a variable with a run or an adapter, or of a folder.

        Raises:
            UsageError: there is no such adapter.
        """
        from ..models.adapters.lora import Adapter, with_strength

        name, strength = with_strength(text)
        value = self._variables().get(name) if name.isidentifier() else None
        adapter = value if isinstance(value, Adapter) else getattr(value, "adapter", None)
        if isinstance(adapter, Adapter):
            return model.with_adapter(adapter, strength, name=name)
        return model.with_adapter(name, strength)


def needs_local_model(name: str) -> UsageError:
    """Return the error of what needs a model on this machine."""
    return UsageError(
        f"{single_line(name)} is behind a server: only answers, rows, --schema and --choices work with it",
        hint="Name a model on this machine: %llm use default.",
    )


def _same_server(name: str, remote: RemoteModel) -> bool:
    """Return whether an address names the model that is in use."""
    from ..models.remote.address import parse_address

    at = parse_address(name)
    return at.url == remote.info.revision and at.model in ("", remote.served)


def split_precision(name: str) -> tuple[str, str]:
    """Return the name of a model and the precision behind its colon, as in "NAME:int4"; empty for none."""
    from ..decoder.precision import PRECISIONS

    base, _, precision = name.rpartition(":")
    return (base, precision) if base and precision in PRECISIONS else (name, "")


def _loading_options(request: CellRequest) -> dict[str, Any]:
    """Return the options of :func:`load` that a cell states, but for the name, the adapter and the cache."""
    names = ("precision", "kv_cache", "device", "threads", "file", "ignore_config", "anyway")
    return {name: getattr(request, name) for name in names}
