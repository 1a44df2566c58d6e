"""Write every error message and hint to tests/golden/messages.txt: python tools/messages.py"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "llm_magics"
LIST = ROOT / "tests" / "golden" / "messages.txt"


def errors() -> set[str]:
    """Return the names of the error classes."""
    tree = ast.parse((PACKAGE / "errors.py").read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)} | {"Refused"}


def texts(node: ast.expr | None, constants: dict[str, str]) -> list[str]:
    """Return the strings that an expression may be, with ``{…}`` for computed parts."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [
            "".join(
                part.value if isinstance(part, ast.Constant) else named(part, constants)
                for part in node.values
            )
        ]
    if isinstance(node, ast.IfExp):
        return [*texts(node.body, constants), *texts(node.orelse, constants)]
    if isinstance(node, ast.BinOp):
        left, right = texts(node.left, constants), texts(node.right, constants)
        return [a + b for a in left or ["{…}"] for b in right or ["{…}"]]
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in texts(value, constants)]
    if isinstance(node, ast.Name) and node.id in constants:
        return [constants[node.id]]
    return []


def named(part: ast.expr, constants: dict[str, str]) -> str:
    """Return the value of a constant in an f-string, or a mark for anything computed."""
    value = part.value if isinstance(part, ast.FormattedValue) else None
    return constants.get(value.id, "{…}") if isinstance(value, ast.Name) else "{…}"


def messages() -> Iterator[tuple[str, str, str]]:
    """Yield the file, the message and the hint of every error that the package raises."""
    kinds = errors()
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    constants = {
        target.id: text
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
        for text in texts(node.value, {})
    }
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name not in kinds and not name.startswith("require_"):
                continue
            hint = next((word.value for word in node.keywords if word.arg == "hint"), None)
            checked = name.startswith("require_")  # its message names the argument and its range
            first = node.args[1 if checked and len(node.args) > 1 else 0] if node.args else None
            for message in texts(first, constants):
                for advice in texts(hint, constants) or [""]:
                    yield path.relative_to(PACKAGE).as_posix(), message, advice


def listing() -> str:
    """Return the list, sorted, one message and its hint each."""
    lines = sorted({f"{file}: {message}\n    → {hint or '(none)'}" for file, message, hint in messages()})
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    LIST.write_text(listing(), "utf-8")
