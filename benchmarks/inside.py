"""The views of attention and of tokens next to BertViz, CircuitsVis and guidance's widget, on the same text.

    python benchmarks/inside.py

Bytes in the saved notebook, time to first paint in Chromium, and the longest text with a view that is
drawn within five seconds. The peers are installed into .venvs/ on the first run; what BertViz loads from a
CDN comes from npm's packages instead, so that no network is timed. Needs what `make test` sets up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from environments import python_of  # noqa: E402

import llm_magics as lm  # noqa: E402
from llm_magics.models.fidelity import sample_text  # noqa: E402
from llm_magics.views.bundle import tokens_bundle  # noqa: E402
from llm_magics.views.mime import GENERATION_MIME, INSPECTION_MIME  # noqa: E402
from tools.browser import find_chromium  # noqa: E402

SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8000)
MOST = {"ours attention": 2048}  # beyond, it is the reading that takes minutes, not the view
STALL_S = 5.0
CDN = {
    "require": ("requirejs@2.3.6", "package/require.js"),
    "d3": ("d3@5.7.0", "package/dist/d3.min.js"),
    "jquery": ("jquery@2.2.4", "package/dist/jquery.min.js"),
}
# What stands in the page when the last token is drawn.
OURS = "document.querySelector('[data-llm-view]')?.shadowRoot"
READY = {
    "ours attention": f"{OURS}.querySelector('.matrix canvas')",
    "bertviz": "document.querySelectorAll('svg text').length >= N",
    "circuitsvis attention": "document.querySelector('img,canvas') && document.body.innerText.match(/Head/)",
    "ours tokens": f"({OURS}.querySelector('.text')?.innerText.length ?? 0) > 2 * N",
    "circuitsvis tokens": "document.body.innerText.length > 2 * N",
    "guidance": "(document.querySelector('iframe')?.contentDocument?.body?.innerText ?? '').length > 2 * N",
}


def scripts(folder: Path) -> dict[str, bytes]:
    """What BertViz asks a CDN for, from npm's packages."""
    values = {}
    for name, (package, path) in CDN.items():
        subprocess.run(["npm", "pack", package], cwd=folder, check=True, capture_output=True)
        archive = next(folder.glob(f"{package.split('@')[0]}-*.tgz"))
        with tarfile.open(archive) as opened:
            member = opened.extractfile(path)
            assert member is not None
            values[name] = member.read()
    return values


def served(data: bytes) -> Callable[[Any], None]:
    def serve(route: Any) -> None:
        route.fulfill(body=data, content_type="text/javascript")

    return serve


def paint(browser: Any, page_file: Path, ready: str, cdn: dict[str, bytes]) -> float:
    """Seconds from the beginning of the page to the frame in which its view stands; infinite beyond the
    stall."""
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    try:
        for name, data in cdn.items():
            page.route(f"**/*{name}*.js", served(data))
        script = f"""() => new Promise(done => {{
          const look = () => {{
            if ({ready}) requestAnimationFrame(() => setTimeout(() => done(performance.now() / 1000)));
            else setTimeout(look, 5);
          }};
          look();
        }})"""
        page.goto(page_file.as_uri(), wait_until="commit", timeout=60_000)
        page.set_default_timeout(30_000)
        return float(page.evaluate(script))
    except Exception:
        return float("inf")
    finally:
        page.close()


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser()
    parser.add_argument("views", nargs="*", help="which views; all of them by default")
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    sizes, names = SIZES, args.views or list(READY)
    if args.quick:
        sizes, names = SIZES[:1], ["ours attention", "ours tokens"]
    model = lm.load()
    ids = (model.tokenizer.encode(sample_text()) * 20)[: max(SIZES)]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in READY}
    chromium = find_chromium()  # it may ask Playwright, which cannot be asked inside itself
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        cdn = {} if args.quick else scripts(folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in names:
            for size in (size for size in sizes if size <= MOST.get(name, max(SIZES))):
                try:
                    kept = WRITERS[name](model, ids[:size], folder)
                except (lm.LLMMagicsError, subprocess.SubprocessError, MemoryError) as error:
                    print(name, size, str(error)[:80])
                    break
                ready = READY[name].replace("N", str(size))
                middle = sorted(paint(browser, folder / "view.html", ready, cdn) for _ in range(3))[1]
                results[name].append({"tokens": size, "bytes": kept, "paint_s": round(middle, 3)})
                print(f"{name:22} {size:5} tokens  {kept / 1e6:9.3f} MB  paint {middle:6.2f} s", flush=True)
                if not args.quick:
                    keep(results)
                if middle > STALL_S or kept > 400e6:
                    break
        browser.close()


def keep(results: dict[str, list[dict[str, Any]]]) -> None:
    out = ROOT / "benchmarks" / "results" / "inside.json"
    values = json.loads(out.read_text()) if out.exists() else {}
    values |= {name: rows for name, rows in results.items() if rows}
    out.write_text(json.dumps(values, indent=1) + "\n")


def ours_attention(model: Any, ids: list[int], folder: Path) -> int:
    values = model.attention(ids)
    values.save_html(folder / "view.html")
    return len(json.dumps(values.mime_bundle()[INSPECTION_MIME]))


def ours_tokens(model: Any, ids: list[int], folder: Path) -> int:
    trace = model.score(model.tokenizer.decode(ids))
    lm.show_tokens(trace).save_html(folder / "view.html")
    return len(json.dumps(tokens_bundle(trace)[GENERATION_MIME]))


def peer(kind: str, *, attention: bool) -> Callable[[Any, list[int], Path], int]:
    def write(model: Any, ids: list[int], folder: Path) -> int:
        from llm_magics.engine.answer import token_texts

        texts = [text or "?" for text in token_texts(model.tokenizer, ids)]
        arrays: dict[str, Any] = {"tokens": np.array(texts)}
        arrays["probabilities"] = np.linspace(0, 1, len(ids))
        if attention:
            layers, full = model.lora_sessions.spec.layers, []
            for layer in range(1, layers + 1):
                attention_record = model.attention(ids, layers=[layer], allow_large=True)
                full.append(
                    np.stack(
                        [
                            attention_record.matrix(layer, head + 1)
                            for head in range(model.lora_sessions.spec.heads)
                        ]
                    )
                )
            arrays["attention"] = np.stack(full)
        np.savez(folder / "arrays.npz", **arrays)
        worker = ROOT / "benchmarks" / "workers" / "peer_views.py"
        command = [python_of("views"), worker, kind, folder / "arrays.npz", folder / "view.html"]
        out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        return int(out.stdout.split()[-1])

    return write


WRITERS = {
    "ours attention": ours_attention,
    "bertviz": peer("bertviz", attention=True),
    "circuitsvis attention": peer("circuitsvis attention", attention=True),
    "ours tokens": ours_tokens,
    "circuitsvis tokens": peer("circuitsvis tokens", attention=False),
    "guidance": peer("guidance", attention=False),
}

if __name__ == "__main__":
    main()
