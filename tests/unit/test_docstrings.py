"""Docstrings are sentences that begin with an imperative verb; their arguments are those of the signature.

Ruff's D rules check the form and that no argument lacks its description.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import llm_magics

ROOT = Path(llm_magics.__file__).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef
# The verbs in use. A new one is added here; "What", "Where", "Whether", "Of" and their like are none.
VERBS = {
    "Add",
    "Allocate",
    "Answer",
    "Bind",
    "Decode",
    "Append",
    "Ask",
    "Begin",
    "Branch",
    "Bring",
    "Build",
    "Check",
    "Choose",
    "Clear",
    "Compare",
    "Complete",
    "Compute",
    "Convert",
    "Copy",
    "Count",
    "Create",
    "Cut",
    "Decide",
    "Describe",
    "Dispatch",
    "Do",
    "Download",
    "Draw",
    "Drop",
    "Encode",
    "Estimate",
    "Evaluate",
    "End",
    "Expand",
    "Explain",
    "Export",
    "Extend",
    "Extract",
    "Fetch",
    "Find",
    "Fine-tune",
    "Finish",
    "Flush",
    "Follow",
    "Forbid",
    "Forget",
    "Format",
    "Generate",
    "Give",
    "Go",
    "Guess",
    "Handle",
    "Hash",
    "Have",
    "Hold",
    "Import",
    "Iterate",
    "Join",
    "Keep",
    "Leave",
    "Let",
    "List",
    "Load",
    "Look",
    "Make",
    "Mark",
    "Mask",
    "Measure",
    "Move",
    "Multiply",
    "Name",
    "Note",
    "Offer",
    "Open",
    "Pack",
    "Pad",
    "Parse",
    "Postpone",
    "Print",
    "Put",
    "Raise",
    "Read",
    "Record",
    "Refuse",
    "Regenerate",
    "Register",
    "Release",
    "Remove",
    "Render",
    "Reorder",
    "Replace",
    "Report",
    "Return",
    "Round",
    "Run",
    "Sample",
    "Save",
    "Score",
    "Search",
    "Select",
    "Send",
    "Serve",
    "Set",
    "Show",
    "Skip",
    "Split",
    "Start",
    "Step",
    "Stop",
    "Take",
    "Tell",
    "Train",
    "Tune",
    "Turn",
    "Undo",
    "Wait",
    "Walk",
    "Warn",
    "Write",
    "Yield",
}


def functions() -> Iterator[tuple[str, Function, str]]:
    """Every function that has a docstring, with its place."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (
                text := ast.get_docstring(node)
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node, text


def test_a_docstring_begins_with_a_verb() -> None:
    others = [
        f"{place}: {text.splitlines()[0]}" for place, _, text in functions() if first(text) not in VERBS
    ]
    assert not others, "\n".join(others)


def test_return_is_followed_by_what_is_returned() -> None:
    """ "Return answer token by token" has two verbs; "Return args:" has lost its sections."""
    verbs = {verb.lower() for verb in VERBS}
    for place, _, text in functions():
        first_word, second, *_ = [*text.split(), "", ""]
        if first_word in ("Return", "Yield"):
            assert second not in verbs and not second.endswith(":"), f"{place}: {text.splitlines()[0]}"


def test_a_first_paragraph_ends_with_a_sentence() -> None:
    """A line break after "et al." is not the end of one."""
    for place, _, text in functions():
        assert not text.split("\n\n")[0].endswith("et al."), place


def first(text: str) -> str:
    return text.split()[0].strip('`":,.')


def test_arguments_of_a_docstring_exist_and_are_in_order() -> None:
    for place, node, text in functions():
        section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text + "\n", re.MULTILINE)
        if section is None:
            continue
        named = re.findall(r"^    \*{0,2}(\w+)(?: \([^)]*\))?:", section[1], re.MULTILINE)
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        names = [each.arg for each in every]
        names += [each.arg for each in (node.args.vararg, node.args.kwarg) if each]
        assert set(named) <= set(names), f"{place}: {set(named) - set(names)}"
        order = [names.index(name) for name in named]
        assert order == sorted(order), f"{place}: the arguments are not in the order of the signature"


def test_sections_are_written_as_google_does() -> None:
    for place, _, text in functions():
        assert not re.search(r"^(Args|Raises|Returns|Yields): \S", text, re.MULTILINE), place
