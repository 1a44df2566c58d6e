"""The playground as a user meets it: in the plugin, as a widget, saved, and in a narrow window."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

import llm_magics as lm
from tests.browser.conftest import opener
from tests.browser.notebooks import LOAD
from tests.browser.playground import answered, ask
from tests.browser.server import Page, notebook, serve

Open = Callable[..., Page]
PLAY = "%llm playground"


def set_tokens(out: Any, most: int) -> None:
    out.get_by_label("max tokens, number").fill(str(most))
    out.get_by_label("max tokens, number").press("Tab")


def test_a_conversation(either: Open, shot: Any) -> None:
    page = either(notebook(LOAD, PLAY))
    page.run(0)
    page.run(1)
    out = page.output(1)
    expect(out.locator(".models li")).to_contain_text("SmolLM2 135M Instruct")
    expect(out.locator(".models li")).to_contain_text("Apache-2.0")
    set_tokens(out, 40)
    out.get_by_label("seed, number").fill("3")
    out.get_by_label("seed, number").press("Tab")
    out.get_by_label("System prompt").fill("You are terse.")
    out.get_by_label("System prompt").press("Tab")
    ask(out, "Why is the sky blue?")
    answered(out, 0)
    expect(out.get_by_role("radio", name="Text", exact=True)).to_have_attribute("aria-checked", "true")
    expect(out.locator(".jp-RenderedMarkdown")).to_have_count(1)
    shot(page, "playground")
    ask(out, "And at night?")
    answered(out, 1)
    expect(out.locator(".meter")).to_contain_text("of 8,192 tokens")

    # What is inserted gives what is shown: the cells are run, and their answers compared.
    texts = [out.locator(".turn .text").nth(n).text_content() for n in range(2)]
    cells = page.page.locator(".jp-Notebook .jp-CodeCell")
    out.get_by_role("button", name="Insert as cell").click()
    expect(cells).to_have_count(4)
    expect(out.locator(".banner")).to_contain_text("2 cells were added below.")
    out.locator(".banner").get_by_role("button", name="Undo").click()
    expect(cells).to_have_count(2)
    out.get_by_role("button", name="Insert as cell").click()
    expect(cells).to_have_count(4)
    expect(cells.nth(2)).to_be_in_viewport()
    out.get_by_role("button", name="Close this message").click()
    expect(out.locator(".banner")).to_have_count(0)
    page.run(2)
    page.run(3)
    for number, text in enumerate(texts):
        expect(page.output(2 + number).locator(".text")).to_have_text(text)
    sources = ["".join(cell["source"]) for cell in page.saved()["cells"]]
    assert sources[2] == '%%llm -s "You are terse." -n 40 --seed 3 --tokens\nWhy is the sky blue?'
    assert sources[3] == "%%llm -c -n 40 --seed 3 --tokens\nAnd at night?"

    # Another token, in the first answer: what followed it stays with the answer that it followed.
    out.get_by_role("radio", name="Surprisal").click()
    out.locator(".turn").first.locator(".t.s4, .t.s3").first.click()
    out.locator(".card .others .can").first.click()
    expect(out.locator(".rail [role=treeitem]")).to_have_count(2, timeout=20_000)
    answered(out, 0)
    expect(out.locator(".turn")).to_have_count(1)
    shot(page, "playground-branch")

    # Again with the next seed, and something else in its place.
    out.locator(".turn").first.hover()
    out.get_by_role("button", name="Regenerate").click()
    expect(out.locator(".rail [role=treeitem]")).to_have_count(0, timeout=20_000)
    answered(out, 0)
    expect(out.get_by_label("seed, number")).to_have_value("4")
    expect(out.locator(".versions")).to_have_text("‹2/2›")
    out.get_by_role("button", name="Earlier version").click()
    expect(out.locator(".rail [role=treeitem]")).to_have_count(2, timeout=20_000)
    expect(out.locator(".versions").first).to_have_text("‹1/2›")
    out.locator(".rail [role=treeitem]").first.click()
    expect(out.locator(".turn")).to_have_count(2)  # "And at night?" is there again
    out.get_by_role("button", name="Later version").click()
    expect(out.locator(".turn")).to_have_count(1)
    out.locator(".turn").first.hover()
    out.get_by_role("button", name="Edit").click()
    out.get_by_label("Edit the prompt").fill("Name a fruit.")
    out.get_by_label("Edit the prompt").press("Shift+Enter")
    expect(out.locator(".asked")).to_have_text("Name a fruit.")
    answered(out, 0)

    out.get_by_role("button", name="Clear").click()
    expect(out.locator(".asked")).to_have_count(0)
    out.locator(".banner").get_by_role("button", name="Undo").click()
    expect(out.locator(".asked")).to_have_text("Name a fruit.")

    # The cell is run again: the conversation stays. It is saved, and shown with no kernel.
    page.run(1)
    expect(page.output(1).locator(".asked")).to_have_text("Name a fruit.")
    content = page.saved()
    assert "widget-view" not in json.dumps(content)
    kept = content["cells"][1]["outputs"][0]["data"]
    assert "Name a fruit." in "".join(kept["text/html"])
    content["metadata"] = {"kernelspec": {"name": "none-such", "display_name": "None", "language": "none"}}
    again = either(content, kernel=False)
    again.page.locator(".jp-Dialog .jp-mod-reject").click()
    out = again.output(1)
    expect(out.locator(".asked")).to_have_text("Name a fruit.")
    expect(out.locator(".summary")).to_contain_text("perplexity")
    expect(out.get_by_role("button", name="Send")).to_be_disabled()


def test_it_answers_while_a_cell_runs_and_stops(lab: Open) -> None:
    page = lab(notebook(LOAD, PLAY, "import time; time.sleep(30)"))
    page.run(0)
    page.run(1)
    page.run(2, wait=False)
    out = page.output(1)
    set_tokens(out, 900)
    ask(out, "Tell a very long story of a fox.")
    expect(out.locator(".summary")).to_contain_text("of at most 900", timeout=20_000)
    page.page.wait_for_timeout(500)
    out.get_by_role("button", name="Stop").first.click()
    expect(out.locator(".summary")).to_contain_text("stopped", timeout=10_000)
    ask(out, "")
    prompt = page.page.locator(".jp-Notebook .jp-CodeCell").nth(2).locator(".jp-InputPrompt")
    assert "*" in prompt.inner_text()
    # A model that does not exist says so, and nothing is lost.
    out.get_by_label("Load a model by name").fill("none/such-model")
    out.get_by_label("Load a model by name").press("Enter")
    expect(out.locator(".refused")).to_contain_text("none/such-model", timeout=60_000)
    expect(out.get_by_label("Load a model by name")).to_have_value("none/such-model")
    expect(out.locator(".models [aria-selected=true]")).to_have_count(1)
    expect(out.locator(".turn")).to_have_count(1)
    # What is refused shows what holds, and is not kept.
    out.get_by_label("temperature, number").fill("99")
    out.get_by_label("temperature, number").press("Tab")
    expect(out.locator(".banner")).to_contain_text("temperature")
    expect(out.get_by_label("temperature, number")).not_to_have_value("99")
    out.get_by_role("button", name="Close this message").click()
    expect(out.locator(".banner")).to_have_count(0)


def test_raw_text_and_another_session(lab: Open) -> None:
    """A conversation that a notebook kept goes on in a new kernel."""
    page = lab(notebook(LOAD, PLAY))
    page.run(0)
    page.run(1)
    out = page.output(1)
    set_tokens(out, 12)
    out.get_by_role("radio", name="Raw text").click()
    ask(out, "The capital of France is")
    turn = answered(out, 0)
    assert "Paris" in turn.locator(".text").text_content()
    content = page.saved()
    again = lab(content)
    out = again.output(1)
    expect(out.get_by_role("button", name="Send")).to_be_enabled()
    ask(out, "lost")  # nobody is there yet
    expect(out.locator(".banner")).to_contain_text("%load_ext llm_magics", timeout=10_000)
    again.run(0)
    ask(out, "The capital of Italy is")
    assert "Rome" in answered(out, 1).locator(".text").text_content()
    expect(out.get_by_label("max tokens, number")).to_have_value("12")


def test_narrow_and_dark(dark_lab: Open, shot: Any) -> None:
    page = dark_lab(notebook(LOAD, PLAY), viewport={"width": 400, "height": 860})
    page.page.keyboard.press("Control+b")  # the side bar, which hides the notebook
    page.run(0)
    page.run(1)
    out = page.output(1)
    assert out.locator("[data-llm-view]").get_attribute("data-llm-theme") == "dark"
    expect(out.locator(".rail-box")).to_be_hidden()
    out.get_by_role("button", name="Settings").click()
    expect(out.locator(".rail-box")).to_be_visible()
    set_tokens(out, 30)
    out.get_by_role("button", name="Settings").click()
    ask(out, "Why is the sky blue?")
    answered(out, 0)
    width = out.locator(".play").evaluate("each => each.scrollWidth - each.clientWidth")
    assert width <= 1, "it is wider than the window"
    shot(page, "playground-narrow")


@pytest.fixture
def like_vscode(chromium: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    """A host that shows widgets, and that our plugin is not in."""
    with without(tmp_path, VSCODE_PID="1") as address:
        yield from opener(chromium, (address, tmp_path), request.node.originalname, "lab")


@pytest.fixture
def without_plugin(chromium: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    with without(tmp_path) as address:
        yield from opener(chromium, (address, tmp_path), request.node.originalname, "lab")


@contextmanager
def without(folder: Path, **env: str) -> Iterator[str]:
    """JupyterLab with our plugin disabled."""
    config = folder / "config"
    (config / "labconfig").mkdir(parents=True)
    disabled = {"disabledExtensions": {"open-llm-magics": True}}
    (config / "labconfig" / "page_config.json").write_text(json.dumps(disabled))
    with serve(folder, env={"JUPYTER_CONFIG_DIR": str(config), **env}) as address:
        yield address


def test_the_strip_as_a_widget(like_vscode: Open, shot: Any) -> None:
    page = like_vscode(notebook(LOAD, "%%llm --tokens -n 20\nWhy is the sky blue?", "%llm tokens"))
    page.run(0)
    for cell in (1, 2):
        page.run(cell)
        out = page.output(cell)
        expect(out.locator(".summary")).to_contain_text("20 tokens")
        out.locator(".t").first.hover()
        expect(out.locator(".card")).to_contain_text("branch")
    # It branches by the comm of its widget.
    out.locator(".t").nth(1).click()
    out.locator(".card .others .can").first.click()
    expect(out.locator(".rail [role=treeitem]")).to_have_count(2, timeout=30_000)
    expect(out.locator(".summary")).to_contain_text("perplexity", timeout=30_000)
    shot(page, "strip-widget")


def test_as_a_widget(without_plugin: Open, shot: Any) -> None:
    page = without_plugin(notebook(LOAD, PLAY, "%%llm --tokens -n 20\nWhy is the sky blue?"))
    page.run(0)
    page.run(2)
    expect(page.output(2)).to_contain_text("least likely of 20 tokens")  # the fallback
    page.run(1)
    out = page.output(1)
    expect(out.locator(".models li")).to_contain_text("SmolLM2 135M Instruct")
    set_tokens(out, 40)
    ask(out, "Why is the sky blue?")
    answered(out, 0)
    out.get_by_role("radio", name="Surprisal").click()
    out.locator(".t.s4, .t.s3").first.click()
    out.locator(".card .others .can").first.click()
    expect(out.locator(".rail [role=treeitem]")).to_have_count(2, timeout=20_000)
    answered(out, 0)
    out.get_by_role("button", name="Insert as cell").click()
    expect(out.locator(".banner")).to_contain_text("Copied")
    shot(page, "playground-widget")


def test_executed_with_no_front_end_it_leaves_a_snapshot_and_no_widget_state(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = notebook(LOAD, PLAY, "%%llm --tokens -n 8\nHi")
    read = nbformat.from_dict(cells)
    NotebookClient(read, timeout=120).execute()
    text = json.dumps(read)
    assert "widget" not in text and "_esm" not in text and "Nothing was asked yet" in text
    assert lm.__version__


def test_a_schema_of_the_answers(lab: Open, shot: Any) -> None:
    page = lab(notebook(LOAD, PLAY))
    page.run(0)
    page.run(1)
    out = page.output(1)
    schema = out.get_by_label("Schema", exact=True)
    schema.fill("Person")
    schema.press("Tab")
    expect(out.locator(".banner")).to_contain_text("one word")
    expect(schema).to_have_value("Person")
    schema.fill("name, age int")
    schema.press("Tab")
    expect(out.locator(".banner")).to_have_count(0)
    set_tokens(out, 60)
    ask(out, "Extract the person as JSON with name and age: Ada is 36 years old.")
    answered(out, 0)
    text = out.locator(".turn .text").first.text_content()
    assert set(json.loads(text)) == {"name", "age"}
    shot(page, "playground-schema")
    set_tokens(out, 4)
    ask(out, "And Bob, who is 7?")
    banner = out.locator(".turn").nth(1).locator(".banner")
    expect(banner).to_contain_text("reached max_tokens (4)", timeout=30_000)
    out.get_by_role("button", name="Insert as cell").click()
    expect(page.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(4)
    sources = ["".join(cell["source"]) for cell in page.saved()["cells"]]
    assert '--schema "name, age int"' in sources[2] and "-n 60" in sources[2]
    assert json.dumps("name, age int") in json.dumps(page.saved()["cells"][1]["outputs"])
