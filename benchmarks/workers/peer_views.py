"""What peers write for one text: their HTML, as a notebook keeps it. Runs in their environment.

    python peer_views.py KIND INPUT.npz OUTPUT.html

Prints the bytes that a notebook would hold.
"""

import json
import sys
from pathlib import Path

import numpy as np


def main() -> None:
    kind, arrays, out = sys.argv[1], np.load(sys.argv[2], allow_pickle=False), Path(sys.argv[3])
    tokens, probabilities = arrays["tokens"].tolist(), arrays["probabilities"].tolist()
    if kind == "bertviz":
        import torch
        from bertviz import head_view

        attention = [torch.from_numpy(layer)[None] for layer in arrays["attention"]]
        html = head_view(attention, tokens, html_action="return").data
    elif kind == "circuitsvis attention":
        import circuitsvis

        html = circuitsvis.attention.attention_heads(
            attention=arrays["attention"][18], tokens=tokens
        ).local_src
    elif kind == "circuitsvis tokens":
        import circuitsvis

        html = circuitsvis.tokens.colored_tokens(tokens, probabilities).local_src
    else:
        html = guidance_page(tokens, probabilities)
    out.write_text(f"<!doctype html><meta charset=utf-8><body>{html}</body>", "utf-8")
    print(len(html.encode()))


def guidance_page(tokens: list, probabilities: list) -> str:
    """Its widget's page in a frame, as the widget makes it, and the messages that its kernel sends."""
    from importlib import resources

    import guidance
    from guidance.trace import Token, TokenOutput
    from guidance.visual import ExecutionCompletedMessage, TraceMessage
    from guidance.visual._message import serialize_message

    page = (resources.files(guidance) / "resources" / "graphpaper-inline.html").read_text("utf-8")
    messages = [
        serialize_message(
            TraceMessage(
                trace_id=n + 1,
                parent_trace_id=n or None,
                node_attr=TokenOutput(
                    value=text,
                    is_input=False,
                    is_generated=True,
                    token=Token(token=text, bytes=__import__("base64").b64encode(text.encode()), prob=p),
                    top_k=[],
                ),
            )
        )
        for n, (text, p) in enumerate(zip(tokens, probabilities, strict=True))
    ]
    messages.append(serialize_message(ExecutionCompletedMessage(last_trace_id=len(tokens))))
    data = json.dumps({"page": page, "messages": messages}).replace("<", "\\u003c")
    return f"""<script type="application/json" id="data">{data}</script><div id="here"></div><script>
const {{ page, messages }} = JSON.parse(document.getElementById('data').textContent);
const frame = document.createElement('iframe');
frame.srcdoc = page; frame.style.cssText = 'width:1000px;height:900px';
frame.onload = () => {{
  for (const content of messages) frame.contentWindow.postMessage({{ type: 'kernelmsg', content }}, '*');
}};
document.getElementById('here').append(frame);
</script>"""


main()
