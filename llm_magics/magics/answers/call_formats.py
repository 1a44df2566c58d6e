"""The calls of functions in an answer, in the formats that models are trained on.

Sources: the chat templates of the models. Hermes, Qwen and Granite 4 write ``<tool_call>`` with JSON; Qwen 3
Coder and Qwen 3.5 write ``<function=…>`` in it; GLM writes ``<arg_key>`` in it; Mistral ``[TOOL_CALLS]``;
Llama JSON alone, behind ``<|python_tag|>`` or not; Granite 3 and Phi 4 ``<|tool_call|>``; LFM2 and Llama 4 a
list of Python calls; Gemma 4 ``<|tool_call>call:``; DeepSeek ``<｜tool▁call▁begin｜>``; Kimi
``<|tool_call_begin|>``; MiniMax and DeepSeek V3.2 ``<invoke name=…>``; gpt-oss a channel with
``to=functions.``. Nothing of an answer is evaluated.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ...core.reasoning import split_reasoning

MOST_CALLS = 16  # of one answer
Call = tuple[str, dict[str, Any]]

_GPT_OSS = re.compile(
    r"to=functions\.([\w.-]+).*?<\|message\|>(.*?)(?=<\|call\|>|<\|end\|>|<\|start\|>|\Z)", re.DOTALL
)
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*([\w.-]+)(?:\[CALL_ID\][\w-]*)?\s*\[ARGS\]\s*(?=\{)")
_DEEPSEEK = re.compile(
    r"<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?([\w.-]+)(?:<｜tool▁sep｜>)?\s*(?:```json)?\s*(?=\{)"
)
_KIMI = re.compile(
    r"<\|tool_call_begin\|>\s*(?:functions\.)?([\w.-]+?)(?::\d+)?\s*<\|tool_call_argument_begin\|>\s*(?=\{)"
)
_SOLAR = re.compile(r"<\|tool_call:name\|>([\w.-]+)<\|tool_call:args\|>\s*(?=\{)")
_INVOKE = re.compile(r'<[\w｜:]*invoke name="([\w.-]+)">(.*?)</[\w｜:]*invoke>', re.DOTALL)
_INVOKED = re.compile(r'<[\w｜:]*parameter name="([\w.-]+)"[^>]*>(.*?)</[\w｜:]*parameter>', re.DOTALL)
_GEMMA = re.compile(r"<\|tool_call>call:([\w.-]+)(\{.*?\})(?:<tool_call\|>|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"<function=([\w.-]+)>(.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL)
_GLM_ARGUMENT = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
# What stands before JSON or a list of Python calls, and behind it: special tokens of models.
_BEFORE = re.compile(
    r"\[TOOL_CALLS\]|<tool_calls>|<TOOLCALL>|"
    r"<\|(?:tool_call|python_tag|tool_call_start|plugin|function_call|START_ACTION)\|>"
)
_BEHIND = re.compile(r"</tool_calls>|</TOOLCALL>|<\|[\w/]+\|>")
# Where calls begin.
_MARKS = re.compile(
    rf"{_BEFORE.pattern}|<tool_call>|<\|tool_calls?_section|<\|tool_call|<｜tool▁call|<function=|"
    r"<[\w｜:]*(?:invoke|function_calls|tool_calls?)\b"
)
_KEY = re.compile(r"([{,]\s*)(\w+)(\s*:)")
_GEMMA_QUOTE = '<|"|>'


def calls_of(text: str) -> Iterator[Call]:
    """Yield the name and the arguments of the calls in an answer, in order.

    Args:
        text: the answer, its special tokens spelled out; its reasoning is left aside.
    """
    if "<|channel|>" not in text:
        split = split_reasoning(text)
        text = split.answer if split.end else text
    for count, call in enumerate(_first_format(text)):
        if count == MOST_CALLS:
            return
        yield call


def words_before_calls(text: str) -> str:
    """Return what an answer with calls says before them, without reasoning and special tokens."""
    if "<|channel|>" in text:
        return ""
    split = split_reasoning(text)
    said = _MARKS.split(split.answer if split.end else text, maxsplit=1)[0]
    said = re.sub(r"<[|｜][^<>]*[|｜]>", "", said).strip()
    return "" if said.startswith(("{", "[", "```")) else said


def _first_format(text: str) -> Iterator[Call]:
    """Yield the calls of the first format that the text is written in."""
    readers: tuple[Callable[[str], Iterator[Call]], ...] = (
        _read_gpt_oss,
        _read_named(_MISTRAL),
        _read_named(_DEEPSEEK),
        _read_named(_KIMI),
        _read_named(_SOLAR),
        _read_invoked,
        _read_gemma,
        _read_tagged,
        _read_functions,
        _read_marked,
    )
    for reader in readers:
        calls = list(reader(text))
        if calls:
            yield from calls
            return


def _read_gpt_oss(text: str) -> Iterator[Call]:
    for match in _GPT_OSS.finditer(text):
        arguments = _json(match[2])
        if isinstance(arguments, dict):
            yield match[1], arguments


def _read_named(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Call]]:
    """Return a reader of formats with a name, a mark and then an object of JSON."""

    def read(text: str) -> Iterator[Call]:
        for match in pattern.finditer(text):
            arguments = _json_prefix(text[match.end() :])
            if isinstance(arguments, dict):
                yield match[1], arguments

    return read


def _read_gemma(text: str) -> Iterator[Call]:
    """Read objects with bare keys and strings between ``<|"|>``."""
    for match in _GEMMA.finditer(text):
        pieces = match[2].split(_GEMMA_QUOTE)
        # Every other piece is a string; between them stand keys, numbers and brackets.
        quoted = [
            json.dumps(piece) if n % 2 else _KEY.sub(r'\1"\2"\3', piece) for n, piece in enumerate(pieces)
        ]
        arguments = _json("".join(quoted))
        if isinstance(arguments, dict):
            yield match[1], arguments


def _read_invoked(text: str) -> Iterator[Call]:
    for match in _INVOKE.finditer(text):
        yield match[1], {name: _value(value) for name, value in _INVOKED.findall(match[2])}


def _read_tagged(text: str) -> Iterator[Call]:
    for match in _TAGGED.finditer(text):
        body = match[1]
        if pairs := _GLM_ARGUMENT.findall(body):
            yield body.partition("<arg_key>")[0].strip(), {key.strip(): _value(value) for key, value in pairs}
        elif functions := list(_read_functions(body)):
            yield from functions
        else:
            yield from _from_json(_json(body))


def _read_functions(text: str) -> Iterator[Call]:
    for match in _FUNCTION.finditer(text):
        arguments = _json(match[2]) if match[2].lstrip().startswith("{") else None
        if not isinstance(arguments, dict):
            arguments = {name: _value(value) for name, value in _PARAMETER.findall(match[2])}
        yield match[1], arguments


def _read_marked(text: str) -> Iterator[Call]:
    """Read JSON or a list of Python calls: behind the mark of a model, or as the whole answer."""
    match = _BEFORE.search(text)
    body = text[match.end() :] if match else text
    body = _BEHIND.split(body, maxsplit=1)[0].strip()
    body = re.sub(r"^```(?:json|python|tool_code)?\n(.*)\n```$", r"\1", body, flags=re.DOTALL)
    value = _json_prefix(body) if match else _json(body)
    calls = list(_from_json(value))
    yield from calls or _from_python(body)


def _from_json(value: Any) -> Iterator[Call]:
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            continue
        inner = item.get("function")
        item = inner if isinstance(inner, dict) else item
        arguments = item.get("arguments", item.get("parameters"))
        if isinstance(arguments, str):
            arguments = _json(arguments)
        name = item.get("name", item.get("tool_name"))
        if isinstance(name, str) and isinstance(arguments, dict):
            yield name, arguments


def _from_python(text: str) -> Iterator[Call]:
    """Read ``[name(argument=literal, …), …]``; parsed, never evaluated."""
    if not text.startswith("["):
        return
    try:
        tree = ast.parse(text, mode="eval").body
        for item in tree.elts if isinstance(tree, ast.List) else []:
            if isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and not item.args:
                arguments = {word.arg: ast.literal_eval(word.value) for word in item.keywords if word.arg}
                yield item.func.id, arguments
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_prefix(text: str) -> Any:
    """Return the value of JSON that a text begins with; None where it begins with none."""
    try:
        return json.JSONDecoder().raw_decode(text.lstrip())[0]
    except (ValueError, RecursionError):
        return None


def _value(text: str) -> Any:
    """Return an argument that stands between tags: JSON where it is, else the text."""
    value = _json(text)
    return text if value is None and text.strip() != "null" else value
