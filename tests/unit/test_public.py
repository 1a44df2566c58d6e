"""The package as a whole: public names, who imports whom, what is loaded, what the README says."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import llm_magics

ROOT = Path(llm_magics.__file__).parent
# In this order: a room may import those above it that are named here.
_BASE = {"sanitize", "errors", "core"}
_MODEL = {*_BASE, "chat", "engine", "sources", "formats", "decoder"}
ROOMS: dict[str, set[str]] = {
    "sanitize": set(),
    "package_conflict": set(),
    "errors": {"sanitize"},
    "core": {"sanitize", "errors"},
    "chat": _BASE,
    "engine": _BASE,
    "sources": _BASE,
    "formats": _BASE,
    "decoder": {*_BASE, "formats"},
    "views": _BASE,
    "trust": {*_BASE, "sources"},
    "structured": _BASE,
    "inspection": {*_BASE, "engine", "sources", "formats", "decoder", "views"},
    "models": {*_MODEL, "views", "inspection", "structured", "trust"},
    "tuning": {*_MODEL, "models", "trust"},
    "evaluation": {*_BASE, "chat", "engine", "inspection", "models", "views"},
    "serving": {*_BASE, "engine", "models"},
    "doctor": {*_MODEL, "package_conflict"},
    "server_extension": {*_BASE, "sources"},
    "magics": {
        *_MODEL,
        "doctor",
        "evaluation",
        "package_conflict",
        "views",
        "inspection",
        "models",
        "serving",
        "structured",
        "trust",
        "tuning",
    },
}
HEAVY = {"torch", "transformers", "optimum", "peft"}


def modules() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text("utf-8"))) for path in sorted(ROOT.rglob("*.py"))]


def imported(path: Path, tree: ast.Module) -> set[str]:
    """Full names of what a module imports anywhere in it, relative ones resolved."""
    package = ["llm_magics", *path.relative_to(ROOT).parent.parts]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{stem}.{alias.name}" for alias in node.names}
    return names


def test_all_is_what_can_be_had() -> None:
    assert sorted(llm_magics.__all__) == sorted({*llm_magics._HOME_OF, "__version__"})
    assert all(getattr(llm_magics, name) is not None for name in llm_magics.__all__)
    assert set(llm_magics.__all__) <= set(dir(llm_magics))
    with pytest.raises(AttributeError):
        llm_magics.nonsense  # noqa: B018


def test_every_error_is_public_and_under_one_base() -> None:
    from llm_magics import errors

    assert set(errors.__all__) <= set(llm_magics.__all__)
    for name in errors.__all__:
        error = getattr(errors, name)
        # An interrupt is one: ``except Exception`` in a loop must not swallow it.
        base = KeyboardInterrupt if name == "Interrupted" else errors.LLMMagicsError
        assert issubclass(error, base) and name in (errors.__doc__ or "")
        assert issubclass(error, Exception) is (name != "Interrupted")


@pytest.mark.parametrize(
    ("path", "tree"), modules(), ids=lambda value: str(value.name) if isinstance(value, Path) else ""
)
def test_rooms_keep_their_doors(path: Path, tree: ast.Module) -> None:
    names = imported(path, tree)
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if room in ROOMS:
        ours = {name.split(".")[1] for name in names if name.startswith("llm_magics.")} - {room}
        ours -= {"__version__"}
        assert ours <= ROOMS[room], f"{path} imports {ours - ROOMS[room]}"
    tops = {name.split(".")[0] for name in names}
    heavy_at = {
        node.col_offset
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        and not getattr(node, "level", 0)
        and (getattr(node, "module", None) or node.names[0].name).split(".")[0] in HEAVY
    }
    lazy = path.name == "autograd_ops.py"  # its classes derive from torch's
    assert not heavy_at or lazy or ((path.name == "optimum.py" or room == "tuning") and 0 not in heavy_at), (
        "inside functions of models/loading/optimum.py and tuning/ only"
    )
    at_once = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not any("autograd_ops" in {node.module, *(item.name for item in node.names)} for node in at_once)
    assert "IPython" not in tops or room == "magics" or str(path).endswith("core/output.py")
    if room == "core":
        assert tops <= {*sys.stdlib_module_names, "numpy", "jinja2", "tqdm", "IPython", "llm_magics"}


def test_importing_is_light() -> None:
    code = "import sys, llm_magics; print(sorted({n.split('.')[0] for n in sys.modules} & set(sys.argv[1:])))"
    heavy = [*HEAVY, "onnxruntime", "IPython", "numpy", "tokenizers", "onnx_ir", "gguf", "jinja2"]
    out = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_no_two_files_import_each_other() -> None:
    """Nor three in a ring: following the imports never leads back, lazy ones and those for types counted
    in.
    """
    files = {
        ".".join(["llm_magics", *path.relative_to(ROOT).with_suffix("").parts]): tree
        for path, tree in modules()
    }
    paths = dict(zip(files, (path for path, _ in modules()), strict=True))
    arrows = {
        name: {
            target
            for full in imported(paths[name], tree)
            for target in (full, full.rpartition(".")[0])
            if target in files and target != name
        }
        for name, tree in files.items()
    }
    arrows = {name: targets for name, targets in arrows.items() if not name.endswith("__init__")}
    while leaves := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {name: targets for name, targets in arrows.items() if name not in leaves}
    assert not arrows, f"these import one another: {sorted(arrows)}"


def test_the_readme_names_every_room_and_no_other() -> None:
    readme = (ROOT.parent / "README.md").read_text("utf-8")
    listing = re.search(r"<!-- rooms -->\n```\n(.*?)```", readme, re.DOTALL)
    assert listing
    named = {line.split()[0] for line in listing[1].splitlines() if line.strip()}
    rooms = {f"{path.parent.relative_to(ROOT.parent).as_posix()}/" for path in ROOT.rglob("__init__.py")}
    assert named == rooms


def test_no_room_is_crowded() -> None:
    for room in {path.parent for path in ROOT.rglob("*.py")}:
        files = [path.name for path in room.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= 14, f"{room} holds {len(files)} files: it is two rooms"


@pytest.mark.parametrize(
    "code",
    [
        "import llm_magics",
        "from IPython.core.interactiveshell import InteractiveShell as S; "
        "s = S.instance(); s.run_line_magic('load_ext', 'llm_magics')",
    ],
)
def test_the_namesake_on_the_index_is_noticed(tmp_path: Path, code: str) -> None:
    (tmp_path / "llm_magics-1.2.1.dist-info").mkdir()
    ran = [
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.append({place!r}); {code}"],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        for place in (str(tmp_path), str(tmp_path / "nowhere"))
    ]
    assert ran[0].count("pip uninstall -y llm-magics") == 1 and "open-llm-magics" in ran[0] and ran[1] == ""


def test_hints_name_the_right_package() -> None:
    papers = [ROOT.parent / name for name in ("README.md", "docs/reference.md", "pyproject.toml")]
    for path in [*ROOT.rglob("*.py"), *papers]:
        for line in path.read_text("utf-8").splitlines():
            if "pip install" in line or "llm-magics[" in line:
                assert not re.search(r"(?<!open-)llm-magics", line) or "uninstall -y llm-magics" in line, (
                    path,
                    line,
                )
