"""What each order of a view does: the model, the record that is shown, and the order → another record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...core.records import Generation, Token, Trace
from ...errors import ModelFileError, UsageError
from ...lens.attention import Attention
from ...lens.causes import Causes
from ...lens.compare import Comparison
from ...lens.cut import Cut
from ...lens.layers import Lens
from ...lens.memory import Memory
from ...lens.probe import Probe
from ...lens.replay import Replay
from ...lens.tree import Tree
from ...lens.walk import Walk
from ...lens.watch import Watch
from ...views.picture import Picture
from ..channel import whole

if TYPE_CHECKING:
    from ...models.model import Model

Act = dict[str, Any]
Source = Picture | Generation | Trace
_ALL = (Attention, Causes, Comparison, Cut, Lens, Memory, Probe, Replay, Tree, Walk, Watch)
KINDS: dict[str, type[Picture]] = {kind.kind: kind for kind in _ALL}


def read(payload: Mapping[str, Any]) -> Picture:
    """The record of a view's bundle.

    Raises:
        ModelFileError: it is damaged, or of no kind that is known.
    """
    kind = KINDS.get(str(payload.get("view")))
    if kind is None:
        raise ModelFileError("this output holds no record", hint="run the cell again")
    return kind.read(payload)


def text_of(source: Source, act: Act | None = None) -> Any:
    """What a record is of, as a view's call takes it; of a walk only what stands before the token that is
    walked.

    Raises:
        UsageError: it is of no single text.
    """
    if not isinstance(source, Picture):
        return source
    ids = source.head.get("ids")
    if not isinstance(ids, list) or not all(isinstance(id, int) for id in ids):
        raise UsageError("this record is of no single text", hint="call the view with a text")
    return ids[: whole(act, "upto")] if act and "upto" in act else ids


OPEN: dict[str, Callable[[Model, Source, Act], Picture]] = {
    "tokenizers": lambda model, source, act: model.tokenize(words_of(model, source, act)),
    "attention": lambda model, source, act: model.attention(text_of(source, act)),
    "causes": lambda model, source, act: model.attribute(text_of(source, act)),
    "branch": lambda model, source, act: go_on(model, source, act),
    "probe": lambda model, source, act: likeliest(model, source, act),
    "replay": lambda model, source, act: model.replay(answer_of(source)),
    "lens": lambda model, source, act: model.lens(text_of(source, act)),
}
ACTS: dict[tuple[str, str], Callable[[Model, Picture, Act], Picture]] = {
    ("attention", "layer"): lambda model, picture, act: model.attention(
        text_of(picture), layers=[whole(act, "layer")]
    ),
    ("causes", "why"): lambda model, picture, act: model.attribute(
        text_of(picture), target=words_in(act, "target"), against=words_in(act, "against")
    ),
    ("tokenizers", "beside"): lambda model, picture, act: beside(picture, str(act.get("name", ""))),
    ("tree", "more"): lambda model, picture, act: more_samples(model, picture, whole(act, "samples")),
    ("probe", "add"): lambda model, picture, act: model.probe(
        text_of(picture), [*(each["text"] for each in picture.head["strings"]), str(act.get("text", ""))]
    ),
}


def answer_of(source: Source) -> Generation:
    """Raises: UsageError: it is no answer."""
    if isinstance(source, Walk):
        return source.answer
    if not isinstance(source, Generation):
        raise UsageError(
            "only an answer can be replayed", hint="call it with an answer: model.replay(answer)"
        )
    return source


def go_on(model: Model, source: Source, act: Act) -> Picture:
    """An answer that is replayed, from another token on: what comes of it, replayed too.

    Raises:
        UsageError: the place or the token does not exist.
    """
    if not isinstance(source, Replay):
        raise UsageError("only a replayed answer can go on from here", hint="%llm replay")
    h = source.head
    tokens = tuple(
        Token(id, "" if id in h["ends"] else text, 0.0, 0.0, 0)
        for id, text in zip(h["chosen"], h["texts"], strict=True)
    )
    answer = Generation(
        "".join(token.text for token in tokens),
        tokens,
        "length",
        h["tail"],
        source.options,
        model=source.model,
        prompt_ids=tuple(h["ids"][: h["prompt"]]),
    )
    return model.replay(model.branch(answer, whole(act, "at"), whole(act, "token")))


def more_samples(model: Model, picture: Picture, samples: int) -> Picture:
    """A tree with so many samples more."""
    assert isinstance(picture, Tree)
    options = {name: value for name, value in picture.head["options"].items() if name != "alternatives"}
    many = len(picture.head["samples"]) + samples
    return model.tree(text_of(picture), samples=many, had=picture, **options)


def words_of(model: Model, source: Source, act: Act) -> str:
    """The text that a record is of."""
    found = text_of(source, act)
    return model.tokenizer.decode(found) if isinstance(found, list) else str(found.text)


def beside(picture: Picture, name: str) -> Picture:
    """The same text in one tokenizer more, beside those that the record has.

    Theirs are kept as they stand: the names that a notebook's file brings are not looked up.

    Raises:
        UsageError: there are too many. ModelFileError: the record is damaged.
    """
    from ...models.beside import MOST, tokenizers

    try:
        text, columns, languages = (picture.head[key] for key in ("text", "columns", "languages"))
        names = [str(each["name"]) for each in columns]
        if len(columns) >= MOST or name in names:
            raise UsageError(
                f"there are {len(columns)} tokenizers already", hint=f"at most {MOST}, each once"
            )
        more = tokenizers(text, [name])
        counts = {each["name"]: each["counts"] for each in more.head["languages"]}
        languages = [
            {**each, "counts": [*each["counts"], *counts.get(each["name"], [0])]} for each in languages
        ]
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"this record cannot be read: {error}", hint="run the cell again") from error
    info = replace(picture.model, name=", ".join([*names, name]))
    return Cut(info, {"text": text, "columns": [*columns, *more.head["columns"]], "languages": languages})


def words_in(act: Act, name: str) -> str | None:
    """A text that an order may give."""
    found = act.get(name)
    return found if isinstance(found, str) and found else None


def likeliest(model: Model, source: Source, act: Act) -> Picture:
    """The likeliest tokens of a walk's step, as strings.

    Raises:
        UsageError: it is no walk, or has no such token.
    """
    at = whole(act, "token")
    if not isinstance(source, Walk) or not 0 <= at < len(source.head["tokens"]):
        raise UsageError("there is no step to look at", hint="%llm walk")
    order = source.arrays["logprobs"][at].argsort()[::-1][:8]
    words = [source.head["words"][str(id)] for id in source.arrays["cand_ids"][at][order].tolist()]
    return model.probe(text_of(source, act), [word for word in words if word and "\ufffd" not in word])
