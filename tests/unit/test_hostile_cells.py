"""1,000 random and hostile cells: each ends in an answer or in one of our errors, and none runs code."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from llm_magics import LLMMagicsError, Model, ModelInfo
from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer
from llm_magics.errors import Interrupted
from llm_magics.magics.parsing.options import OPTIONS
from llm_magics.magics.subcommands.table import ALIASES, TABLE

CELLS = 1_000
SAFE = sorted(
    {*TABLE} - {"rm", "pull", "use", "search", "playground", "doctor", "fit", "models", "card", "verify"}
)
HOSTILE = (
    "{__import__('os').system('touch pwned')}",
    "{open('pwned','w')}",
    "$(touch pwned)",
    "`touch pwned`",
    "!touch pwned",
    "{x.__class__.__mro__}",
    "{x!r:>99999999999}",
    "{file:../../../../etc/passwd}",
    "{file:/dev/zero}",
    "\x00",
    "\x1b[2J",
    "\ud800",
    "<script>alert(1)</script>",
    "{{{{{{",
    "}" * 50,
    "{" * 500,
    "'" * 7,
    '"unclosed',
    "\\",
    "…" * 40,
    "\u202egnp.exe",
    "-" * 30,
    "--",
    "--see",
    "--see above,,,nope,[3]",
    "-c=../../x",
    "-o class",
    "-o __builtins__",
    "-f xml",
    "--think -1",
    "--samples 0",
    "<<",
    "x <<",
    "{% for i in range(99999) %}",
    "{bomb}",
    "{evil}",
)


class Evil:
    """Code that would run if a field called anything but what reading it calls."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __format__(self, spec: str) -> str:
        raise RuntimeError("formatting fails")

    def __call__(self) -> None:
        self.place.touch()


@pytest.fixture
def magics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    from llm_magics.magics.llm import LLMMagics

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path / "home"))
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    made = LLMMagics(shell)
    model = Model(ScriptedEngine(["a", "b"]), ScriptedTokenizer(), ModelInfo("scripted"))
    monkeypatch.setattr(made.workspace.models, "use_for", lambda request: model)
    monkeypatch.setattr(made.workspace.models, "pair_for", lambda request: (model, model))
    made.workspace.models._model = model
    shell.user_ns |= {
        "x": 3,
        "bomb": "{x}" * 1000,
        "evil": Evil(tmp_path / "pwned"),
        "answer": model.generate("hi", max_tokens=2),
    }
    yield made
    InteractiveShell.clear_instance()


def cell(rng: random.Random) -> tuple[str, str | None]:
    """A line and perhaps a cell, of options, subcommands, hostile pieces and noise."""
    flags = [
        flag
        for option in OPTIONS
        for flag in option.flags
        if option.name not in ("model", "adapter", "background")
    ]
    pieces = [
        rng.choice(flags),
        rng.choice(flags) + "=" + rng.choice(HOSTILE),
        rng.choice(HOSTILE),
        rng.choice(SAFE),
        rng.choice([*ALIASES]),
        str(rng.randrange(-3, 99)),
        "".join(chr(rng.randrange(1, 0x3000)) for _ in range(rng.randrange(8))),
    ]
    line = " ".join(rng.choice(pieces) for _ in range(rng.randrange(6)))
    body = (
        None if rng.random() < 0.5 else "\n".join(rng.choice(HOSTILE) for _ in range(rng.randrange(5))) + "\n"
    )
    return line.replace("--eval", "--tokens").replace("\n", " "), body


def test_no_cell_crashes_or_runs_code(magics: Any, tmp_path: Path, capsys: Any) -> None:
    rng, answered, refused = random.Random(35), 0, 0
    for number in range(CELLS):
        line, body = cell(rng)
        try:
            magics.llm(line, body)
            answered += 1
        except (LLMMagicsError, Interrupted) as error:
            refused += 1
            assert str(error) and "Traceback" not in str(error), (number, line, body)
        assert not (tmp_path / "pwned").exists(), (number, line, body)
    capsys.readouterr()
    assert answered > 100 and refused > 100, (answered, refused)
