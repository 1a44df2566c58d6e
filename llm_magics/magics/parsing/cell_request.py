"""What a cell asks for, after it was parsed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CellRequest:
    """A parsed cell. Fields that are not listed are the options of that name, None where not stated.

    Attributes:
        command: "generate", "status" (``%llm`` alone), a value of COMMANDS, a key of WRITTEN, or a
            subcommand that inspects a text (inspection/subcommands.py).
        prompt: the text, its variables expanded; of "help" the command that is meant, of "tokens" on or
            off, of "rm", "use", "pull", "fit", "card" and "adapters" a name, of "search" and "models"
            the words.
        models: the models that answer one after the other, where a cell names several.
        samples: so many answers with seeds one after the other.
        variable: the name that the answer gets in the notebook.
        conversation: None, or the conversation to continue: empty for that of the last answer.
        see: what of the notebook is added to the prompt: "above", numbers of cells, names of variables.
        format: what is made of the answer: a name of answers/formats.py.
        background: whether other cells go on while the answer is generated.
        tools: the names of functions that the model may call, with commas.
        tools_run: whether calls run without asking.
        schema, regex, grammar: the form of the answer, as it was written.
        choices: labels with commas.
        decide: questions about the prompt, which is then the text.
        rows: the column or the list that is mapped; the prompt is then the template of a row.
        truth: the column with the true labels.
        workers: the cluster that answers the rows: an address or a name of the notebook.
        evaluate: whether fields of a row's template are evaluated.
        draft: the name of a smaller model that guesses tokens.
        fresh: whether the answer is generated although it is kept.
        keep: whether the answer is kept for the next time (a setting).
        logs: "answers" or "prompts" where the history is on, else empty (settings).
        reasoning: whether the model's reasoning is shown outside of a fold.
        think: the most tokens of reasoning; 0 switches it off.
        fit: whether the oldest parts of the context are dropped where it is too long.
        options: the stated fields of SamplingOptions.
        inspection_options: the stated options of a subcommand.
        record: the answer that a subcommand inspects, or two to compare; None: the prompt, or the last
            answer where that is empty.
        notice: a note on the command that a prompt may have meant.
        unresolved: notes on what looked like a variable and stayed as text.
    """

    command: str
    prompt: str = ""
    model: str | None = None
    models: tuple[str, ...] = ()
    samples: int = 1
    adapter: str | None = None
    precision: str | None = None
    kv_cache: str | None = None
    device: str | None = None
    threads: int | None = None
    cache_mb: int | None = None
    file: str | None = None
    ignore_config: tuple[str, ...] | None = None
    anyway: bool | None = None
    system: str | None = None
    raw: bool = False
    tokens: bool = False
    quiet: bool = False
    variable: str | None = None
    conversation: str | None = None
    see: tuple[str, ...] = ()
    fit: bool = False
    format: str | None = None
    reasoning: bool = False
    tools: str | None = None
    tools_run: bool = False
    schema: str | None = None
    regex: str | None = None
    grammar: str | None = None
    choices: str | None = None
    decide: str | None = None
    rows: str | None = None
    truth: str | None = None
    workers: str | None = None
    evaluate: bool = False
    draft: str | None = None
    fresh: bool = False
    keep: bool = True
    logs: str = ""
    background: bool = False
    think: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    inspection_options: dict[str, Any] = field(default_factory=dict)
    record: Any = None
    notice: str = ""
    unresolved: tuple[str, ...] = ()
