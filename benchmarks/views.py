"""The token strip with 8,000 tokens in Chromium: first paint, scrolling, another measure; bytes a token.

    python benchmarks/views.py

Needs what `make test` sets up. The strip is the built one (llm_magics/static/widget.js).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import llm_magics as lm  # noqa: E402
from llm_magics.views.bundle import tokens_bundle  # noqa: E402
from llm_magics.views.mime import GENERATION_MIME  # noqa: E402
from tools.browser import find_chromium  # noqa: E402

TOKENS, RUNS = 8_000, 5
PAGE = """<!doctype html><meta charset=utf-8><body style="margin:20px;background:#fff"><div id=here></div>
<script type=module>
import view from './widget.js';
window.show = async payload => {
  document.getElementById('here').replaceChildren();
  const el = document.createElement('div');
  document.getElementById('here').append(el);
  const start = performance.now();
  view.render({ model: { get: name => ({ kind: 'tokens', payload })[name], on() {}, off() {}, send() {} }, el
  }); const root = el.querySelector('[data-llm-view]').shadowRoot;
  while (!root.querySelector('.p')) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  await new Promise(done => setTimeout(done));
  window.text = root.querySelector('.text');
  window.segments = root.querySelectorAll('.segments button');
  return performance.now() - start;
};
window.scroll_ = async seconds => {
  const frames = [];
  const start = performance.now();
  while (performance.now() - start < 1000 * seconds) {
    window.text.scrollTop = (performance.now() - start) / 1000 / seconds * window.text.scrollHeight;
    frames.push(await new Promise(requestAnimationFrame));
  }
  return frames;
};
window.measure = async n => {
  const start = performance.now();
  window.segments[n].click();
  await new Promise(requestAnimationFrame);
  await new Promise(done => setTimeout(done));
  return performance.now() - start;
};
window.ready = true;
</script>"""


def record(most: int) -> lm.Generation:
    """Real tokens, again and again until there are enough."""
    answer = lm.load().generate("Tell a story of a fox.", max_tokens=min(most, 400), seed=1)
    tokens = (answer.tokens[:-1] * (most // (len(answer.tokens) - 1) + 1))[:most]
    timed = tuple(replace(token, time_s=n / 100) for n, token in enumerate(tokens))
    return replace(answer, tokens=timed, text="".join(token.text for token in timed))


def serve(route: Any) -> None:
    name = route.request.url.rsplit("/", 1)[-1]
    if name == "widget.js":
        body = (ROOT / "llm_magics/static/widget.js").read_text("utf-8")
        route.fulfill(body=body, content_type="text/javascript")
    else:
        route.fulfill(body=PAGE, content_type="text/html")


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    quick = parser.parse_args().quick
    most, runs = (200, 1) if quick else (TOKENS, RUNS)
    for length in (6,) if quick else (60, 250):
        answer = lm.load().generate("Why is the sky blue?", max_tokens=length, temperature=0.9, seed=3)
        size, count = len(json.dumps(tokens_bundle(answer)[GENERATION_MIME])), len(answer.tokens)
        print(f"record of {count} tokens: {size / count:.0f} bytes a token, 10 alternatives each")
    payload = tokens_bundle(record(most))[GENERATION_MIME]
    chromium = find_chromium()  # it may ask Playwright, which cannot be asked inside itself
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.route("**/*", serve)
        page.goto("http://strip.invalid/index.html")
        page.wait_for_function("window.ready")
        paints = [page.evaluate("payload => window.show(payload)", payload) for _ in range(runs)]
        frames = page.evaluate("window.scroll_(3)")
        steps = [after - before for before, after in pairwise(frames)]
        switches = [page.evaluate("n => window.measure(n)", 2 + n % 3) for n in range(runs)]
        browser.close()
    usual = statistics.median(paints)
    print(f"first paint of {most:,} tokens: {usual:.0f} ms (the first {paints[0]:.0f} ms)")
    rate, slow = 1000 / statistics.mean(steps), sorted(steps)[int(len(steps) * 0.98)]
    print(f"scrolling: {rate:.0f} frames/s, the slowest of 50 took {slow:.0f} ms")
    print(f"another measure: {statistics.median(switches):.0f} ms")


if __name__ == "__main__":
    main()
