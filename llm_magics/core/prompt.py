"""Messages + chat template → the text the model reads.

A template comes with the model, so it is untrusted: it runs in Jinja's immutable sandbox, with limits on
its size, on the text it makes and on the time it takes. A message is untrusted too: it must not be able to
speak for another role, so whoever encodes the text reads special tokens only in the template's own parts
(:class:`Segment`).

The limits hold for every loop, macro, filter, test, comparison and operator, and for every text made on the
way, whether or not it is written; filters and methods whose work is out of proportion to what they are given
do not exist here. Not covered, since nothing in one process can break off a step inside Python's own C code:
one operation on lists nested so that they hold the same list twice at every level. Who does not trust a
model's publisher that far continues raw text and never runs the template.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from ..errors import TemplateError, UsageError

MAX_TEMPLATE = 64 << 10  # characters
MAX_MADE = (
    32 << 20
)  # characters made by all steps together, a list's item counted as eight: half a gigabyte at worst
MAX_SECONDS = 1.0
ROLES = ("system", "user", "assistant", "tool")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What a template may call. Each makes at most a small multiple of what it is given, or is metered below for
# what it makes.
_FILTERS = _words(
    "abs capitalize count d default dictsort e escape first float groupby indent int items join last length "
    "list lower map max"
    " min reject rejectattr replace reverse safe select selectattr sort string sum title tojson trim "
    "truncate unique upper"
    " wordcount"
)
_STR_METHODS = _words(
    "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit isidentifier "
    "islower isnumeric"
    " isprintable isspace istitle isupper join lower lstrip partition removeprefix removesuffix replace "
    "rfind rindex rpartition"
    " rsplit rstrip split splitlines startswith strip swapcase title upper"
)
_GLOBALS = _words("range dict namespace cycler joiner")


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a rendered prompt; in a trusted one special tokens mean what they say."""

    text: str
    trusted: bool


def check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise UsageError unless every message has a known role and a text."""
    if not messages:
        raise UsageError("there are no messages", hint='pass at least {"role": "user", "content": "…"}')
    for number, message in enumerate(messages, 1):
        if (
            not isinstance(message, Mapping)
            or message.get("role") not in ROLES
            or not isinstance(message.get("content"), str)
        ):
            raise UsageError(
                f"message {number} must have a role ({', '.join(ROLES)}) and a text as content, got "
                f"{message!r:.80}",
                hint='write {"role": "user", "content": "…"}',
            )
        if more := set(message) - {"role", "content"}:  # a template would write them as if they were its own
            raise UsageError(
                f"message {number} has {', '.join(map(repr, more))} too",
                hint="role and content are understood",
            )


def render(
    messages: Sequence[Mapping[str, str]],
    template: str,
    *,
    bos_token: str = "",
    eos_token: str = "",
    add_generation_prompt: bool = True,
) -> str:
    """The prompt's text, as transformers' ``apply_chat_template`` makes it.

    Raises:
        UsageError: a message is malformed.
        TemplateError: the template is too large, fails, reaches for what it must not, or does not come to an
            end.
    """
    check_messages(messages)
    return _run(
        messages,
        template,
        bos_token=bos_token,
        eos_token=eos_token,
        add_generation_prompt=add_generation_prompt,
    )


def segments(
    messages: Sequence[Mapping[str, str]], template: str, *, bos_token: str = "", eos_token: str = ""
) -> list[Segment]:
    """The same text in parts: the template's own (trusted) and the messages' (not).

    Each content is replaced by a random mark for the rendering and put back after it. A template that trims
    its messages does so with the content as it will be put back only if marks come back whole; if any does
    not, everything is untrusted.
    """
    check_messages(messages)
    nonce = secrets.token_hex(8)
    marks = [f"\ue000{nonce}.{number}\ue001" for number in range(len(messages))]
    marked = [{**message, "content": mark} for message, mark in zip(messages, marks, strict=True)]
    tokens: dict[str, Any] = {"bos_token": bos_token, "eos_token": eos_token}
    rest = _run(marked, template, **tokens, add_generation_prompt=True)
    whole = render(messages, template, **tokens)
    parts: list[Segment] = []
    for message, mark in zip(messages, marks, strict=True):
        before, found, rest = rest.partition(mark)
        if not found:
            return [Segment(whole, False)]
        content = message["content"]
        if before + content not in whole:  # the template trims
            content = content.strip()
        parts += [Segment(before, True), Segment(content, False)]
    parts.append(Segment(rest, True))
    return parts if "".join(part.text for part in parts) == whole else [Segment(whole, False)]


def _run(messages: Sequence[Mapping[str, str]], template: str, **context: Any) -> str:
    import jinja2.sandbox  # noqa: F401  # before the clock starts

    if len(template) > MAX_TEMPLATE:
        raise TemplateError(
            f"the chat template has {len(template):,} characters",
            hint=f"at most {MAX_TEMPLATE:,} are accepted",
        )
    # transformers defines both, and templates ask whether they are none.
    context = {"tools": None, "documents": None, **context}
    try:
        compiled = _environment(_Budget()).from_string(template)
        return "".join(compiled.generate(messages=[dict(message) for message in messages], **context))
    except TemplateError:
        raise
    except Exception as error:  # whatever a template runs into, it is the template that failed
        raise TemplateError(
            f"the model's chat template failed: {type(error).__name__}: {error}",
            hint="check the messages' order and roles, or continue raw text with --raw",
        ) from error


class _Budget:
    """What a rendering may still use: time, and text or list items made."""

    def __init__(self) -> None:
        self._left, self._end = MAX_MADE, time.monotonic() + MAX_SECONDS

    def spend(self, size: int = 0) -> None:
        """Call before ``size`` characters or items are made, and at every step."""
        self._left -= size
        if self._left < 0:
            raise TemplateError(
                f"the model's chat template makes more than {MAX_MADE:,} characters",
                hint="shorten the messages, or continue raw text with --raw",
            )
        if time.monotonic() > self._end:
            raise TemplateError(
                "the model's chat template does not come to an end", hint="continue raw text with --raw"
            )

    # The names below are called by compiled templates: see Metered.
    def counted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.spend()
            yield item

    def measured(self, value: Any) -> Any:
        self.spend(_size(value))
        return value

    def joined(self, *values: Any) -> str:
        return self.join([str(value) for value in values])

    def join(self, values: Sequence[str], separator: str = "") -> str:
        self.spend(sum(map(len, values)) + len(separator) * len(values))
        return separator.join(values)

    def replace(self, text: str, old: str, new: str, count: int = -1) -> str:
        self.spend(len(text) + text.count(old) * len(new))
        return text.replace(old, new, count)


def _environment(budget: _Budget) -> Any:
    """A fresh sandbox in which everything draws on the budget."""
    from datetime import datetime

    from jinja2 import filters, nodes, pass_environment
    from jinja2.ext import Extension
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.visitor import NodeTransformer

    def refuse(what: str) -> TemplateError:
        return TemplateError(
            f"the model's chat template uses {what} without bound", hint="continue raw text with --raw"
        )

    class Metered(NodeTransformer):
        """Sends what the sandbox cannot intercept through the budget, by names that no template can
        shadow.
        """

        def wrap(self, name: str, lineno: int, *parts: nodes.Node) -> nodes.Expr:
            return nodes.Call(nodes.EnvironmentAttribute(name), [*parts], [], None, None, lineno=lineno)

        def visit_For(self, node: nodes.For) -> nodes.Node:
            self.generic_visit(node)
            node.iter = self.wrap("counted", node.lineno, node.iter)
            return node

        def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
            self.generic_visit(node)
            return self.wrap("joined", node.lineno, *node.nodes)

        def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
            self.generic_visit(node)
            return self.wrap("measured", node.lineno, node)

        def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
            self.generic_visit(node)
            return self.wrap("measured", node.lineno, node) if isinstance(node.arg, nodes.Slice) else node

        def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:
            return self.wrap("measured", node.lineno, nodes.Const(node.data))

    class Generation(Extension):
        """``{% generation %}`` marks what an assistant wrote, for training in transformers; here it is just
        its body.
        """

        tags = {"generation"}  # noqa: RUF012  # as jinja2 declares it

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    class Budgeted(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"+", "*", "**", "%"})
        counted, measured, joined = (
            staticmethod(f) for f in (budget.counted, budget.measured, budget.joined)
        )

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if isinstance(obj, (str, bytes, int, float)) and not (
                isinstance(obj, str) and attr in _STR_METHODS
            ):
                return False
            return super().is_safe_attribute(obj, attr, value)

        def wrap_str_format(self, value: Any) -> Any:
            # The sandbox hands str.format out before it asks is_safe_attribute; a width in it makes text of
            # any length.
            if getattr(value, "__name__", "") in ("format", "format_map") and isinstance(
                getattr(value, "__self__", None), str
            ):
                raise refuse("format")
            return None

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" or (operator == "%" and isinstance(left, (str, bytes))):
                raise refuse(operator)
            times = right if isinstance(right, int) else left if isinstance(left, int) else 1
            repeats = operator == "*" and (hasattr(left, "__len__") or hasattr(right, "__len__"))
            budget.spend(
                (_size(left) + _size(right)) * max(times, 0) if repeats else _size(left) + _size(right)
            )
            return super().call_binop(context, operator, left, right)

        def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
            text = getattr(called, "__self__", None)
            if isinstance(text, str) and called.__name__ == "join":
                return budget.join(list(budget.counted(*args)), text)
            if isinstance(text, str) and called.__name__ == "replace":
                return budget.replace(text, *args, **kwargs)
            budget.spend(_size(text) if isinstance(text, str) else 1)
            return budget.measured(super().call(context, called, *args, **kwargs))

        def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
            tree: nodes.Template = Metered().visit(super()._parse(source, name, filename))
            tree.set_environment(self)
            return tree

    def metered(function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter or test as a step, charged for its argument, which bounds its work, and for what it
        makes.
        """
        position = 1 if hasattr(function, "jinja_pass_arg") else 0

        @wraps(function)
        def step(*args: Any, **kwargs: Any) -> Any:
            budget.spend(_size(args[position]) if len(args) > position else 1)
            return budget.measured(function(*args, **kwargs))

        return step

    @pass_environment
    def join(environment: Any, items: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
        picked = items if attribute is None else map(filters.make_attrgetter(environment, attribute), items)
        return budget.join([str(item) for item in budget.counted(picked)], str(d))

    def replace(text: Any, old: str, new: str, count: int | None = None) -> str:
        return budget.replace(str(text), old, new, -1 if count is None else count)

    def indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
        budget.spend((text.count("\n") + 1) * (width if isinstance(width, int) else len(width)))
        return filters.do_indent(text, width, first, blank)

    @pass_environment
    def total(
        environment: Any, items: Iterable[Any], attribute: str | int | None = None, start: float = 0
    ) -> Any:
        if not isinstance(start, (int, float)):  # adding up lists takes the square of their number
            raise refuse("sum")
        return filters.sync_do_sum(environment, budget.counted(items), attribute, start)

    def raise_exception(message: str) -> None:
        raise TemplateError(
            f"the model's chat template says: {message}", hint="check the messages' order and roles"
        )

    def strftime_now(form: str) -> str:
        if len(form) > 200:
            raise refuse("strftime_now")
        return datetime.now().strftime(form)

    environment = Budgeted(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", Generation],
        finalize=budget.measured,
    )
    own = {"join": join, "replace": replace, "indent": indent, "sum": total, "tojson": _tojson}
    known: dict[str, Any] = {**environment.filters, **own}
    tests: dict[str, Any] = environment.tests
    environment.filters = {name: metered(known[name]) for name in _FILTERS}
    environment.tests = {name: metered(test) for name, test in tests.items()}
    environment.globals = {name: environment.globals[name] for name in _GLOBALS}
    environment.globals.update(raise_exception=raise_exception, strftime_now=strftime_now)
    return environment


def _size(value: Any) -> int:
    """What a value weighs: characters of a text, eight for an item of a list, bytes of a number."""
    if hasattr(value, "__len__"):
        return len(value) if isinstance(value, str) else 8 * len(value)
    return value.bit_length() // 8 + 1 if isinstance(value, int) else 1


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers has it: no HTML escaping."""
    import json

    if (indent or 0) > 16 or any(len(text) > 8 for text in separators or ()):
        raise TemplateError(
            "the model's chat template asks for wide JSON", hint="continue raw text with --raw"
        )
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
