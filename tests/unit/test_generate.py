"""The loop, over the scripted engine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from llm_magics import ContextOverflow, Generation, Model, ModelInfo, Trace, UsageError
from llm_magics.engine.answer import StopStringBuffer
from llm_magics.engine.generate import CHUNK
from llm_magics.engine.prefill import chunk_ends, common_prefix
from llm_magics.engine.scripted import ScriptedCache, ScriptedEngine, ScriptedTokenizer


def scripted(*answers: str, **more: object) -> Model:
    return Model(ScriptedEngine(answers, **more), ScriptedTokenizer(), ModelInfo("scripted"))  # type: ignore[arg-type]


def test_whole_answer() -> None:
    answer = scripted("Hello, wörld 🦊!").generate("hi", temperature=0)
    assert answer.text == "Hello, wörld 🦊!" == "".join(token.text for token in answer.tokens)
    assert answer.stop_reason == "stop"
    assert answer.tokens[-1].text == "" and all("\ufffd" not in token.text for token in answer.tokens)
    assert answer.prompt == "hi" and answer.timing.prompt_tokens == 2
    assert len(answer.tokens[0].alternatives) == 10 and answer.tokens[0].alternatives[0].text == "H"


@pytest.mark.parametrize("length", [1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_prompt_of_several_calls(length: int) -> None:
    model = scripted("the whole answer", "and another")
    assert model.generate("x" * length, temperature=0).text == "the whole answer"
    assert model.generate("x" * length, temperature=0).text == "and another"


def test_max_tokens_cuts_and_half_a_character_comes_out_replaced() -> None:
    answer = scripted("aé").generate("hi", temperature=0, max_tokens=2)
    assert answer.text == "a\ufffd" and answer.stop_reason == "length" and len(answer.tokens) == 2


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        ("END", "one two "),
        (["wo", "END"], "one t"),
        ("E", "one two "),
        ("ENDx", "one two END three"),
        ("three", "one two END "),
    ],
)
def test_stop_strings_are_cut_off_and_never_half_shown(stop: str | list[str], text: str) -> None:
    answer = scripted("one two END three").generate("hi", temperature=0, stop=stop)
    assert answer.text == text == "".join(token.text for token in answer.tokens)
    assert answer.stop_reason == "stop"


def test_text_held_back_for_a_stop_string_is_given_at_the_end() -> None:
    held = StopStringBuffer(["abc"])
    assert (
        held.push("xab") == ("x", False)
        and held.push("d") == ("abd", False)
        and held.push("ab") == ("", False)
    )
    assert held.flush() == "ab"
    assert scripted("xab").generate("hi", temperature=0, stop="abc").text == "xab"


def test_context_overflow_says_by_how_many() -> None:
    with pytest.raises(ContextOverflow, match="5 too many") as error:
        scripted("a", context_length=16).generate("x" * 20)
    assert error.value.over == 5


def test_a_full_context_ends_the_answer() -> None:
    answer = scripted("abcdefgh", context_length=6).generate("xyz", temperature=0)
    assert answer.text == "abc" and answer.stop_reason == "length"


def test_closing_keeps_what_there_is() -> None:
    model = scripted("abcdef")
    stream = model.stream("hi", temperature=0)
    next(stream), next(stream)
    stream.close()
    assert stream.generation.text == "ab" and stream.generation.stop_reason == "interrupted"
    assert list(stream) == [] and model.last == stream.generation


def test_an_interrupt_in_the_engine_leaves_a_usable_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = scripted("abc", "abc")
    stream = model.stream("hi", temperature=0)
    next(stream)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ScriptedCache, "extend", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
    assert stream.generation.text == "a" and stream.generation.stop_reason == "interrupted"
    assert model.generate("hi", temperature=0).text == "abc"


def test_records_round_trip_through_json() -> None:
    model = scripted("Hello ✓")
    answer = model.generate("hi", seed=3, stop="x")
    assert Generation.from_dict(json.loads(json.dumps(answer.to_dict()))) == answer
    trace = model.score("some text")
    assert Trace.from_dict(json.loads(json.dumps(trace.to_dict()))) == trace
    assert "".join(token.text for token in trace.tokens) == "some text" and trace.perplexity > 1


def test_unknown_option_names_the_near_one() -> None:
    with pytest.raises(UsageError, match="temperature"):
        scripted("a").generate("hi", temprature=0)


@pytest.mark.parametrize("prompt", ["", [], [{"role": "user"}], [{"role": "ghost", "content": "x"}]])
def test_bad_prompts(prompt: object) -> None:
    info, template = ModelInfo("scripted"), "{{ messages[0].content }}"
    model = Model(ScriptedEngine(["a"]), ScriptedTokenizer(), info, template=template)
    with pytest.raises(UsageError):
        model.generate(prompt)  # type: ignore[arg-type]


def test_agenerate_leaves_the_loop_free_and_can_be_cancelled() -> None:
    async def main() -> tuple[str, int, int]:
        model = scripted("ab", "x" * 500, seconds_per_token=0.01)
        answer = await model.agenerate("hi", temperature=0)
        task = asyncio.create_task(model.agenerate("hi", temperature=0, max_tokens=500))
        ticks = 0
        for _ in range(10):
            await asyncio.sleep(0.01)
            ticks += 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)
        assert model.last is not None
        return answer.text, ticks, len(model.last.tokens)

    text, ticks, made = asyncio.run(main())
    assert text == "ab" and ticks == 10 and 0 < made < 100


@pytest.mark.parametrize("length", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 2, 5 * CHUNK + 1])
def test_no_call_of_a_single_token(length: int) -> None:
    ends = list(chunk_ends(3, 3 + length, CHUNK))
    sizes = [b - a for a, b in zip([3, *ends], ends, strict=False)]
    assert sum(sizes) == length and max(sizes) <= CHUNK and (length == 1 or min(sizes) > 1)


def test_common_prefix() -> None:
    assert (
        common_prefix([1, 2, 3], [1, 2, 4, 5]) == 2
        and common_prefix([], [1]) == 0
        and common_prefix([1, 2], [1, 2]) == 2
    )


def test_of_two_stop_strings_in_one_piece_the_earliest_wins() -> None:
    for stop in (["three", "one"], ["one", "three"]):
        assert StopStringBuffer(stop).push("zero one two three") == ("zero ", True)


def test_a_stop_string_may_name_a_special_token(tiny_gguf: Path) -> None:
    """M12: as transformers' stop_strings; no text of a special token is ever shown."""
    from llm_magics.core.options import SamplingOptions
    from llm_magics.core.sampling import TokenStats
    from llm_magics.engine.answer import Answer
    from llm_magics.engine.tokenizer import TextTokenizer
    from llm_magics.formats.gguf import GgufFile
    from llm_magics.formats.tokenizers.gguf import tokenizer_spec

    spec = tokenizer_spec(GgufFile(tiny_gguf).metadata)
    tokenizer = TextTokenizer.from_text(
        spec.json, bos_id=spec.bos_id, eos_id=spec.eos_id, eos_ids=spec.eos_ids, add_bos=False
    )
    start = 1  # <|im_start|>, no end of an answer
    assert tokenizer.token_text(start) == "<|im_start|>" and start not in tokenizer.eos_ids

    def answered(stop: str) -> tuple[str, str]:
        options = SamplingOptions(stop=(stop,), max_tokens=8)
        answer = Answer([5], options, tokenizer, context_length=64, prompt="", model=ModelInfo("m"))
        for id in [*tokenizer.encode("ab", special=False), start, *tokenizer.encode("cd", special=False)]:
            if not answer.ended:
                answer.append(TokenStats(id, -1.0, 1.0, 0, (), (), 0.5, 0.0))
        answer.finish_interrupted()
        return answer.generation.text, answer.generation.stop_reason

    assert answered("<|im_start|>") == ("ab", "stop")
    assert answered("b<|im_start|>c") == ("a", "stop")
    assert answered("<|im_start|>x") == ("abcd", "interrupted")
    assert answered("nothing") == ("abcd", "interrupted")
    held = StopStringBuffer(["<x>y"])
    assert [held.push("a", "<x>"), held.push("z")] == [("a", False), ("z", False)]
