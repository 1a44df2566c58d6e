"""Calls of functions in a real kernel; the answers are scripted, the model's template is not."""

from __future__ import annotations

from pathlib import Path

from tests.kernel.conftest import Kernel

SETUP = '''
from dataclasses import replace
from llm_magics.magics.answering import AnswerRunner
def add(a: int, b: int) -> int:
    """Add two numbers."""
    ran.append((a, b))
    return a + b
ran, given, generate = [], [], AnswerRunner.generate
def scripted(self, prepared):
    made, stopped = generate(self, prepared)
    given.append(made.prompt)
    text = said.pop(0)
    return replace(made, text=text, tokens=(replace(made.tokens[0], id=0, text=text),), specials={}), stopped
AnswerRunner.generate = scripted
magics = get_ipython().magics_manager.registry['LLMMagics'].workspace
model = magics.models.use()
model._prompts.template = (
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\\n{{ m.content }}<|im_end|>\\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}"
)
CALL = '<tool_call>{"name": "add", "arguments": {"a": 2, "b": 3}}</tool_call>'
'''


def test_a_model_calls_a_function(fresh_kernel: Kernel, default_gguf: Path) -> None:
    kernel = fresh_kernel
    assert kernel.run("%load_ext llm_magics").status == "ok"
    refused = kernel.run("def f(x: int): ...\n%llm --tools f -n 2 hi")
    assert refused.status == "error" and "describes no tools" in refused.error
    assert kernel.run(SETUP).status == "ok"
    kernel.run("said = [CALL, 'It is 5.']")
    result = kernel.run("%%llm --tools add --tools-run -n 4 -o a\nWhat is two and three?")
    assert result.status == "ok" and "calls add(a=2, b=3)" in result.stdout
    assert kernel.value("ran") == "[(2, 3)]" and kernel.value("a.text") == "It is 5."
    prompt = kernel.value("given[-1]")
    assert '"name": "add"' in prompt and "<tool_call>" in prompt and "<|im_start|>tool\n5" in prompt
    # Nobody can be asked in a kernel without a person: nothing runs.
    kernel.run("said = [CALL, 'no']\nran.clear()")
    result = kernel.run("%%llm --tools add -n 4\nWhat is two and three?")
    assert result.status == "error" and "nobody can be asked" in result.error and kernel.value("ran") == "[]"
    kernel.run("said = [CALL] * 9")
    result = kernel.run("%%llm --tools add --tools-run -n 4\nWhat is two and three?")
    assert result.status == "error" and "still calls functions after 5 answers" in result.error
