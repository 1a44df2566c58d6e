"""The routes of the server: models, chat completions and completions."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..core.records import Token
from ..errors import LLMMagicsError
from .body import Completion, read_body
from .reply import ReplyWriter, error_reply

if TYPE_CHECKING:
    from ..engine.generate import Stream
    from ..models.model import Model

_MOST_BYTES = 4 << 20  # of a request
_LOOK_S = 0.2  # how often a request without a stream looks whether its client is still there


class ModelApp:
    """What answers the requests.

    Args:
        model: answers; streams of one model may run at the same time.
        token: that each request must carry.
        requests: at most so many answers at once; further ones are told to come again.
    """

    def __init__(self, model: Model, token: str, requests: int) -> None:
        self._model, self._token = model, token.encode()
        self._free = threading.Semaphore(requests)
        self._running: set[Stream] = set()
        self.answered = 0
        self.app = Starlette(
            routes=[
                Route("/v1/models", self._models),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/completions", self._completions, methods=["POST"]),
            ]
        )

    def stop(self) -> None:
        """End the answers that are being generated."""
        for stream in list(self._running):
            stream.close()

    async def _models(self, request: Request) -> Response:
        if refused := self._refuse(request):
            return refused
        row = {
            "id": self._model.name,
            "object": "model",
            "owned_by": "llm-magics",
            "max_model_len": self._model.context_length,
            "fingerprint": self._model.info.fingerprint,
        }
        return JSONResponse({"object": "list", "data": [row]})

    async def _chat(self, request: Request) -> Response:
        return await self._complete(request, chat=True)

    async def _completions(self, request: Request) -> Response:
        return await self._complete(request, chat=False)

    async def _complete(self, request: Request, *, chat: bool) -> Response:
        """Answer a request, with the tokens as they come or with the whole answer."""
        if refused := self._refuse(request):
            return refused
        data = b""
        async for part in request.stream():
            data += part
            if len(data) > _MOST_BYTES:
                return _failed(413, f"the request has more than {_MOST_BYTES >> 20} MB")
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            return _failed(400, "the body is no JSON")
        if not self._free.acquire(blocking=False):
            return _failed(429, "the server answers as many requests as it may", {"Retry-After": "1"})
        handed_over = False
        try:
            asked = read_body(body, self._model.name, chat=chat)
            stream = await anyio.to_thread.run_sync(self._start, asked)
            writer = ReplyWriter(
                f"{'chatcmpl' if chat else 'cmpl'}-{uuid4().hex}",
                self._model.name,
                self._model.tokenizer,
                chat=chat,
                logprobs=asked.logprobs,
            )
            self._running.add(stream)
            if asked.streams:
                handed_over = True
                events = self._events(stream, writer, usage=asked.usage)
                return _Events(events, lambda: self._end(stream))
            return JSONResponse(writer.whole(await self._whole(request, stream)))
        except LLMMagicsError as error:
            status, told = error_reply(error, self._model.context_length)
            return JSONResponse(told, status)
        finally:
            if not handed_over:
                self._free.release()

    def _start(self, asked: Completion) -> Stream:
        return self._model.stream(asked.prompt, raw=asked.raw, **asked.options)

    async def _events(self, stream: Stream, writer: ReplyWriter, *, usage: bool) -> AsyncIterator[bytes]:
        """Yield the events of an answer; its end, or that of the connection, ends the stream."""
        tokens: Any = iter(stream)

        def following() -> Token | None:
            return next(tokens, None)

        try:
            while (token := await anyio.to_thread.run_sync(following, abandon_on_cancel=True)) is not None:
                yield _event(writer.chunk([token]))
            answer = stream.generation
            yield _event(writer.chunk([], "length" if answer.stop_reason == "length" else "stop"))
            if usage:
                yield _event(writer.end(answer))
            yield b"data: [DONE]\n\n"
        except LLMMagicsError as error:
            yield _event(error_reply(error, self._model.context_length)[1])

    async def _whole(self, request: Request, stream: Stream) -> Any:
        """Return the whole answer; it ends early where the client is gone."""

        def work() -> Any:
            for _ in stream:
                pass
            return stream.generation

        async def watch() -> None:
            while not await request.is_disconnected():
                await anyio.sleep(_LOOK_S)
            stream.close()

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                answer = await anyio.to_thread.run_sync(work)
                tasks.cancel_scope.cancel()
            return answer
        finally:
            self._finish(stream)

    def _end(self, stream: Stream) -> None:
        self._finish(stream)
        self._free.release()

    def _finish(self, stream: Stream) -> None:
        stream.close()
        self._running.discard(stream)
        self.answered += 1

    def _refuse(self, request: Request) -> Response | None:
        """Return the refusal of a request without the token; None where it has it."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token):
            return None
        return _failed(401, "the key is missing or wrong")


class _Events(StreamingResponse):
    """A response of events.

    Args:
        events: the bytes.
        end: called once behind the response, also where the client left before its first event.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], end: Callable[[], None]) -> None:
        super().__init__(events)
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=True).encode() + b"\n\n"


def _failed(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    error = {"message": message, "type": "invalid_request_error", "code": status}
    return JSONResponse({"error": error}, status, headers=headers)
