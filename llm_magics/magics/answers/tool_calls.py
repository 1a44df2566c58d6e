"""Run a call that a model wrote: shown, confirmed, with checked arguments."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import Interrupted, UsageError
from ...sanitize import safe_print, single_line
from .tools import Tool, ToolCall, checked_arguments, result_text

REFUSED = "The user did not allow this call."


def run_call(call: ToolCall, tools: Mapping[str, Tool], *, ask: bool) -> str:
    """Run one call, and return what the model is told: the result, or what went wrong.

    Args:
        call: what the model wrote.
        tools: the functions that it may call, by name.
        ask: show the call and wait for a yes.

    Raises:
        UsageError: nobody can be asked here. Interrupted: the user stopped it.
    """
    tool = tools.get(call.name)
    if tool is None:
        return f"error: there is no function {single_line(call.name, most=60)}; there are {', '.join(tools)}"
    try:
        arguments = checked_arguments(tool, call.arguments)
    except ValueError as error:
        return f"error: {error}"
    shown = str(ToolCall(call.name, arguments))
    if ask and not _confirmed(shown):
        return REFUSED
    if not ask:
        safe_print(f"calls {shown}")
    try:
        return result_text(tool.function(**arguments))
    except KeyboardInterrupt:
        raise Interrupted(f"stopped in {call.name}") from None
    except Exception as error:  # the user's own function: the model is told, as a person would be
        return f"error: {type(error).__name__}: {error}"


def _confirmed(shown: str) -> bool:
    """Ask whether a call may run.

    Raises:
        UsageError: nobody can be asked here. Interrupted: the user stopped it.
    """
    try:
        answer = input(f"The model calls {shown}. Run it? [y/N] ")
    except KeyboardInterrupt:
        raise Interrupted("stopped before the call") from None
    except (EOFError, NotImplementedError, RuntimeError):  # a notebook that runs without a person
        raise UsageError(
            f"the model calls {shown}, and nobody can be asked here",
            hint="Add --tools-run to run calls without asking.",
        ) from None
    return answer.strip().lower() in ("y", "yes")
