"""The reasoning of a model in its answer: where it begins and ends, whatever the model's marks are.

Models write ``<think>…</think>`` (DeepSeek, Qwen), ``[THINK]…[/THINK]`` (Magistral), channels (gpt-oss, Gemma
4), or an end tag alone where the chat template has written the first one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Begin and end. The first that fits counts.
TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel>thought", "<channel|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
_CHANNEL = re.compile(
    r"<\|channel\|>(\w+)[^<]*<\|message\|>(.*?)(?=<\|end\|>|<\|return\|>|<\|call\|>|<\|start\|>|<\|channel\|>|\Z)",
    re.DOTALL,
)
_TAIL = 200  # characters of the prompt's end in which a first tag is looked for


@dataclass(frozen=True, slots=True)
class Reasoning:
    """An answer in two parts.

    Attributes:
        thought: what the model wrote for itself; empty for nothing.
        answer: what it wrote for the reader.
        closed: whether the reasoning has come to its end.
        end: the tag that ends it; empty where no tag was seen.
    """

    thought: str
    answer: str
    closed: bool = True
    end: str = ""


def split_reasoning(text: str, prompt: str = "") -> Reasoning:
    """Split an answer into reasoning and what is for the reader.

    Only what an answer begins with is reasoning: a tag in the middle of prose is text.

    Args:
        text: the answer, its special tokens spelled out.
        prompt: the prompt, or its end: the template may have written the first tag.
    """
    if "<|channel|>" in text:
        parts = [(match[1], match[2]) for match in _CHANNEL.finditer(text)]
        thought = "\n".join(body.strip() for name, body in parts if name != "final")
        answer = "".join(body for name, body in parts if name == "final")
        closed = any(name == "final" for name, _ in parts)
        return Reasoning(thought, answer, closed, "")
    start, tail = text.lstrip(), prompt[-_TAIL:].rstrip()
    for begin, end in TAGS:
        opened = tail.endswith(begin)
        if start.startswith(begin):
            body = start[len(begin) :]
        elif opened or (end in text and begin not in text):
            body = text
        else:
            continue
        thought, marker, answer = body.partition(end)
        return Reasoning(thought.strip(), answer.lstrip() if marker else "", bool(marker), end)
    return Reasoning("", text)
