"""RemoteModel: a model behind a server with the OpenAI API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...chat.messages import check_messages
from ...core.options import SamplingOptions, sampling_options
from ...core.records import Generation, ModelInfo
from ...engine.batch import Request
from ...errors import LLMMagicsError, UsageError
from ...sanitize import single_line
from ...structured.form import AnswerForm, value_of
from ..forms import take_form, with_value
from ..rows.batch_generate import BatchAnswers, map_prompts
from ..rows.choose_rows import choose_rows
from ..rows.journal import open_journal
from .address import parse_address
from .server import Server
from .stream import MOST_ALTERNATIVES, RemoteStream

if TYPE_CHECKING:
    from ...inspection.answers.choices import Choice, Choices
    from ..prompts import Prompt

ROWS = 16  # requests at a time
_LETTERS = 4  # of a token, about
# Options that are no part of OpenAI's API, with their neutral values: sent where they are stated only.
_EXTENSIONS: dict[str, float] = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
_LABEL_OPTIONS = sampling_options(
    {**_EXTENSIONS, "max_tokens": 1, "alternatives": MOST_ALTERNATIVES, "temperature": 0.0}
)


class RemoteModel:
    """A model behind a server with the OpenAI API. Made by :func:`connect`.

    It answers, in streams, conversations, rows and given forms. What needs the inside of a model, such as
    inspections, branches and adapters, needs a model on this machine.

    Args:
        address: such as "openai:http://127.0.0.1:8000/v1#name"; without a name, the only model is taken.

    Attributes:
        info: the model in the records; ``revision`` is the address.
        sampling_defaults: what options that a call does not state are.
        last_map: what the newest :meth:`map` has made so far, or None.

    Raises:
        UsageError: it is no address, or the server has several models. ServerError: it does not answer.
    """

    def __init__(self, address: str) -> None:
        at = parse_address(address)
        self._server = Server(at)
        self.served, self.context_length = _served(self._server, at.model)
        name = self.served.rpartition("/")[2] if self.served.startswith("/") else self.served  # a path
        self.info = ModelInfo(f"{name} at {at.place}", revision=at.url)
        self.sampling_defaults: dict[str, Any] = dict(_EXTENSIONS)
        self.last_map: BatchAnswers | None = None
        self._last: RemoteStream | None = None

    def __repr__(self) -> str:
        return f"<RemoteModel {single_line(self.name)}>"

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def last(self) -> Generation | None:
        """Return the newest answer, or None."""
        return self._last.generation if self._last else None

    @property
    def address(self) -> str:
        """Return the address with the name of the model."""
        return f"{self._server.address.url}#{self.served}"

    def count_tokens(self, text: str) -> int:
        """Return about how many tokens a text has: the tokenizer is not here."""
        return -(-len(text.encode("utf-8", "replace")) // _LETTERS)

    def count_prompt(self, prompt: Prompt, *, system: str | None = None, raw: bool = False) -> int:
        """Return about how many tokens a prompt has."""
        return self.count_tokens(_request_text(prompt, system, raw=raw))

    def stream(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        raw: bool = False,
        speculate: bool = True,
        thinking: bool | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        draft: Any = None,
        **options: Any,
    ) -> RemoteStream:
        """Answer token by token.

        Args:
            prompt: a text, or messages ``{"role": "user", "content": …}``.
            system: a system message to put first.
            raw: continue the text, with no chat template.
            speculate: without effect: the server decides it.
            thinking: refused.
            tools: refused.
            draft: refused.
            **options: the fields of :class:`SamplingOptions`, and ``schema``.

        Raises:
            UsageError: an option is unknown, or a server does not have it.
        """
        for name, value in (("thinking", thinking), ("tools", tools), ("draft", draft)):
            if value:
                raise self._lacks(f"{name}={'…' if name == 'tools' else value!r:.40}")
        form, options = take_form(options)
        chosen = self._chosen(form, options)
        return self._start(_request_text(prompt, system, raw=raw), chosen, form)

    def generate(
        self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any
    ) -> Generation:
        """Answer a prompt; the arguments are those of :meth:`stream`."""
        return self.stream(prompt, system=system, raw=raw, **options).to_end()

    def map(
        self,
        prompts: Iterable[Any],
        *,
        system: str | None = None,
        raw: bool = False,
        rows: int = ROWS,
        progress: bool = True,
        answers: BatchAnswers | None = None,
        keep: bool | str | Path | None = None,
        fresh: bool = False,
        seen: Callable[[int, Any], None] | None = None,
        on: Any = None,
        **options: Any,
    ) -> BatchAnswers:
        """Answer many prompts, several at a time; the arguments are those of :meth:`Model.map`.

        The key of a row in the journal is the address of the server and the name of the model.

        Raises:
            UsageError: an option is unknown, or a server does not have it.
            ServerError: the server fails. The finished rows are kept.
        """
        if on is not None:
            raise self._lacks("on=…")
        form, options = take_form(options)
        chosen = self._chosen(form, options)
        self.last_map = BatchAnswers() if answers is None else answers
        with open_journal(keep, None, fresh=fresh) as journal:
            return map_prompts(
                lambda requests, most: _open_batch(self, form, requests, most),
                lambda prompt: _as_request(prompt, system, raw=raw),
                prompts,
                chosen,
                info=self._key_info(),
                rows=rows,
                progress=progress,
                answers=self.last_map,
                finish=None if form is None else partial(with_value, form=form),
                journal=journal,
                seen=seen,
            )

    def choose(self, prompt: Any, choices: Any, *, system: str | None = None, raw: bool = False) -> Choice:
        """Return the likeliest of several labels, by the first tokens that they begin with.

        Args:
            prompt: a text, or messages.
            choices: labels, or a mapping of labels to lists of spellings.
            system: the system message.
            raw: continue the text, with no chat template.

        Raises:
            UsageError: the server gives no logprobs, or the first tokens do not decide.
        """
        from ...inspection.answers.choices import Choice, label_spellings

        return Choice(self._choose(_request_text(prompt, system, raw=raw), label_spellings(choices)))

    def choose_rows(
        self,
        prompts: Iterable[Any],
        choices: Any,
        *,
        system: str | None = None,
        raw: bool = False,
        keep: bool | str | Path | None = None,
        fresh: bool = False,
        on: Any = None,
    ) -> Iterator[tuple[int, Choice | LLMMagicsError]]:
        """Yield the number of each prompt and its label, or the error of that row.

        The arguments are those of :meth:`choose` and :meth:`map`.
        """
        from ...inspection.answers.choices import label_spellings

        if on is not None:
            raise self._lacks("on=…")
        labels = label_spellings(choices)

        def label_requests(requests: Iterable[Request]) -> Iterator[tuple[int, Choices | LLMMagicsError]]:
            with closing(_open_batch(self, None, map(_for_labels, requests), ROWS)) as batch:
                for index, result in batch:
                    yield index, _labelled(result, labels)

        with open_journal(keep, None, fresh=fresh) as journal:
            yield from choose_rows(
                label_requests,
                self._key_info(),
                lambda prompt: _as_request(prompt, system, raw=raw),
                prompts,
                labels,
                journal,
            )

    def _choose(self, text: str, labels: dict[str, list[str]]) -> Choices:
        from .labels import first_token_choices

        return first_token_choices(self._start(text, _LABEL_OPTIONS, None).to_end(), labels)

    def _chosen(self, form: AnswerForm | None, options: Mapping[str, Any]) -> SamplingOptions:
        """Return the options as the record holds them.

        Raises:
            UsageError: one is unknown, or a server does not have it.
        """
        chosen = sampling_options({**self.sampling_defaults, **options})
        if chosen.no_repeat_ngram_size:
            raise self._lacks("no_repeat_ngram_size")
        if chosen.grammar is not None and (form is None or form.schema is None):
            raise self._lacks(f"{chosen.grammar.kind} grammars")
        if chosen.alternatives > MOST_ALTERNATIVES:
            raise UsageError(
                f"a server gives at most {MOST_ALTERNATIVES} alternatives, not {chosen.alternatives}",
                hint=f"Use alternatives={MOST_ALTERNATIVES}.",
            )
        return chosen

    def _start(self, text: str, options: SamplingOptions, form: AnswerForm | None) -> RemoteStream:
        """Begin an answer to a request as :func:`_request_text` wrote it."""
        asked = json.loads(text)
        chat = "messages" in asked
        stream = RemoteStream(
            self._server,
            "/chat/completions" if chat else "/completions",
            {"model": self.served, **asked, **_body(options, form, chat=chat)},
            options,
            prompt=text if chat else asked["prompt"],
            model=self.info,
            prompt_tokens=self.count_tokens(text),
            build=None if form is None else partial(value_of, form=form),
        )
        self._last = stream
        return stream

    def _key_info(self) -> ModelInfo:
        """Return what stands for the model in the key of a row: its weights are not known."""
        return replace(self.info, fingerprint=self.address)

    def _lacks(self, what: str) -> UsageError:
        return server_lacks(self.name, what)


def connect(address: str) -> RemoteModel:
    """Return the model of a server with the OpenAI API: vLLM, llama.cpp, Ollama, LM Studio and others.

    Args:
        address: such as "http://127.0.0.1:8000/v1#name"; without a name, the only model is taken. The key is
            that of the environment variable LLM_MAGICS_API_KEY; it is never stored.

    Raises:
        UsageError: it is no address, or the server has several models. ServerError: it does not answer.
    """
    return RemoteModel(address)


def server_lacks(name: str, what: str) -> UsageError:
    """Return the error of something that a model behind a server does not have."""
    return UsageError(
        f"{single_line(name)} is behind a server, which does not support {what}",
        hint="Omit it, or use a model on this machine: %llm use default.",
    )


def _served(server: Server, name: str) -> tuple[str, int]:
    """Return the name of the model on the server, and its context in tokens, or 0.

    Raises:
        UsageError: no name is stated, and the server has several models. ModelNotFound: it has none.
    """
    answer = server.get("/models")
    rows = answer.get("data") if isinstance(answer, Mapping) else None
    rows = [row for row in rows or () if isinstance(row, Mapping) and isinstance(row.get("id"), str)]
    names = [row["id"] for row in rows]
    if not name and len(names) != 1:
        told = ", ".join(single_line(item) for item in names[:8])
        raise UsageError(
            f"{server.address.place} has {len(names)} models",
            hint=f"Write the name behind #: {told}." if names else "Load a model on the server.",
        )
    name = name or names[0]
    row: Mapping[str, Any] = next((row for row in rows if row["id"] == name), {})
    sizes = [row.get(key) for key in ("max_model_len", "context_length")]
    return name, next((size for size in sizes if type(size) is int and size > 0), 0)


def _request_text(prompt: Any, system: str | None, *, raw: bool) -> str:
    """Return the part of a request that is the prompt, as JSON: the record holds it, and keys of rows.

    Raises:
        UsageError: a message is not well formed.
    """
    if raw:
        if not isinstance(prompt, str) or system:
            raise UsageError("raw takes one text, without a system message", hint="Omit raw, or system.")
        return json.dumps({"prompt": prompt}, ensure_ascii=False)
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    if system:
        messages = [{"role": "system", "content": system}, *messages]
    check_messages(messages)
    return json.dumps({"messages": messages}, ensure_ascii=False)


def _as_request(prompt: Any, system: str | None, *, raw: bool) -> tuple[str, list[int]]:
    """Return the prompt of a row, and its bytes: a server has the tokenizer."""
    text = _request_text(prompt, system, raw=raw)
    return text, list(text.encode())


def _body(options: SamplingOptions, form: AnswerForm | None, *, chat: bool) -> dict[str, Any]:
    """Return the options as the server knows them."""
    body: dict[str, Any] = {
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": options.max_tokens,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "seed": options.seed,
    }
    if options.stop:
        body["stop"] = list(options.stop)
    for name in ("presence_penalty", "frequency_penalty"):
        if value := getattr(options, name):
            body[name] = value
    for name, neutral in _EXTENSIONS.items():
        if (value := getattr(options, name)) != neutral:
            body[name] = value
    if options.alternatives and chat:
        body |= {"logprobs": True, "top_logprobs": options.alternatives}
    elif options.alternatives:
        body["logprobs"] = options.alternatives
    if form is not None:
        schema = {"name": "answer", "strict": True, "schema": form.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _open_batch(
    model: RemoteModel, form: AnswerForm | None, requests: Iterable[Request | LLMMagicsError], rows: int
) -> Any:
    from .batch import RemoteBatch

    return RemoteBatch(lambda request: model._start(request.prompt, request.options, form), requests, rows)


def _for_labels(request: Request) -> Request:
    """Return a request for the first token and its alternatives."""
    return Request(request.ids, request.prompt, _LABEL_OPTIONS)


def _labelled(
    result: Generation | LLMMagicsError, labels: Mapping[str, Sequence[str]]
) -> Choices | LLMMagicsError:
    """Return the labels of a row, or its error."""
    from .labels import first_token_choices

    if isinstance(result, LLMMagicsError):
        return result
    try:
        return first_token_choices(result, labels)
    except UsageError as error:
        return error
