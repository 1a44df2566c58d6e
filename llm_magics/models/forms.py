"""Answers of a given form: what a call states, and the value of what came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.options import PENALTIES, Grammar
from ..core.records import Generation
from ..engine.constraint import TokenConstraint, check_grammar
from ..engine.generate import Stream
from ..structured.form import AnswerForm, answer_form, incomplete, value_of

THINKING = ("enable_thinking", "thinking")  # variables of chat templates that switch reasoning
FORM_ARGUMENTS = ("schema", "regex", "grammar")


def take_form(options: Mapping[str, Any]) -> tuple[AnswerForm | None, dict[str, Any]]:
    """Return the form that the options of a call state, and the other options.

    Raises:
        UsageError: the form cannot be used.
    """
    rest = {name: value for name, value in options.items() if name not in FORM_ARGUMENTS}
    stated = {name: options[name] for name in FORM_ARGUMENTS if options.get(name) is not None}
    if isinstance(stated.get("grammar"), (Grammar, Mapping)):
        return None, {**rest, "grammar": Grammar.from_dict(stated["grammar"])}  # of a record, checked before
    form = answer_form(**stated)
    if form is None:
        return None, rest
    check_grammar(form.grammar)
    return form, {**rest, "grammar": form.grammar}


def thinking_off(template: str | None, *, raw: bool) -> dict[str, bool] | None:
    """Return the variables by which a chat template leaves reasoning out; None where it has none.

    Reasoning is no part of a value, and no part of a label.
    """
    names = [name for name in THINKING if name in (template or "")]
    return dict.fromkeys(names, False) if names and not raw else None


def defaults_for(defaults: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the model's maker: without penalties where an answer has a form."""
    if options.get("grammar") is None:
        return dict(defaults)
    return {name: value for name, value in defaults.items() if name not in (*PENALTIES, "repetition_penalty")}


def stream_value(stream: Stream, form: AnswerForm) -> Any:
    """Return the value of a finished stream.

    Raises:
        IncompleteAnswer: the answer was cut off; says about how many tokens it needs.
        UsageError: it is not valid.
    """
    return _value(stream.generation, form, stream.answer.constraint)


def form_value(generation: Generation, stated: Mapping[str, Any], constraint: TokenConstraint | None) -> Any:
    """Return the value of an answer of the form that a call states.

    Args:
        generation: the answer.
        stated: ``schema``, ``regex`` or ``grammar``.
        constraint: of the answer, for how many tokens it would need; None where that is not known.

    Raises:
        IncompleteAnswer: it was cut off. UsageError: it is not valid.
    """
    form = answer_form(**stated)
    assert form is not None
    return _value(generation, form, constraint)


def _value(generation: Generation, form: AnswerForm, constraint: TokenConstraint | None) -> Any:
    if generation.stop_reason != "stop":
        raise incomplete(generation, constraint.tokens_to_end() if constraint else None)
    return value_of(generation, form)


def with_value(generation: Generation, form: AnswerForm) -> Generation:
    """Return an answer with its value.

    Raises:
        IncompleteAnswer: it was cut off. UsageError: it is not valid.
    """
    from dataclasses import replace

    return replace(generation, built=value_of(generation, form))
