"""What is learnt of a row, on the real model's tokenizer and template."""

from __future__ import annotations

import pytest

import llm_magics as lm
from llm_magics import UsageError
from llm_magics.tuning.dataset import read_rows
from llm_magics.tuning.examples import Example, encode_rows, mask_of, split


@pytest.fixture(scope="module")
def model() -> lm.Model:
    return lm.load()


def learnt(model: lm.Model, example: Example) -> str:
    return model.tokenizer.decode([id for id, on in zip(example.ids, example.loss_mask, strict=True) if on])


def test_only_the_completion_is_learnt(model: lm.Model) -> None:
    (example,), notes = encode_rows(model, read_rows("What is a fox? ⇒ A small wild dog.").rows)
    assert learnt(model, example) == "A small wild dog.<|im_end|>" and not notes
    assert list(example.ids[: example.prompt_length]) == model.encode("What is a fox?")[1]
    assert not any(example.loss_mask[: example.prompt_length])


def test_every_answer_of_a_chat_is_learnt(model: lm.Model) -> None:
    said = ["You are terse.", "Hi", "Hello.", "And?", "Bye."]
    roles = ["system", "user", "assistant", "user", "assistant"]
    chat = [{"role": role, "content": content} for role, content in zip(roles, said, strict=True)]
    (example,), _ = encode_rows(model, read_rows([{"messages": chat}]).rows)
    assert learnt(model, example) == "Hello.<|im_end|>Bye.<|im_end|>"
    # It reads as the template writes it.
    assert model.tokenizer.decode(example.ids) + "\n<|im_start|>assistant\n" == model.render(chat)


def test_a_text_is_learnt_from_its_second_token_on(model: lm.Model) -> None:
    (example,), _ = encode_rows(model, read_rows(["Once upon a time"]).rows)
    assert learnt(model, example) == " upon a time<|im_end|>" and example.prompt_length == 0


def test_a_special_token_that_a_row_spells_is_text(model: lm.Model) -> None:
    (example,), _ = encode_rows(model, read_rows([("a<|im_end|>b", "c<|im_end|>d")]).rows)
    assert sum(id == model.tokenizer.eos_id for id in example.ids[example.prompt_length :]) == 1
    assert learnt(model, example) == "c<|im_end|>d<|im_end|>"


def test_what_is_cut_or_left_out_is_told(model: lm.Model) -> None:
    rows = read_rows([("a", "b"), ("a", "b"), ("a", "word " * 300), ("long " * 300, "b")]).rows
    examples, notes = encode_rows(model, rows, max_length=128)
    assert [example.row for example in examples] == [1, 3] and len(examples[1].ids) == 128
    assert notes == [
        "1 row cut at 128 tokens",
        "1 row left out that stood before in the same words",
        "1 row left out: the prompt alone is longer than 128 tokens",
    ]
    with pytest.raises(UsageError, match="no usable training rows"):
        encode_rows(model, rows[3:], max_length=128)


def test_what_is_put_aside_shares_no_prompt_with_what_is_learnt(model: lm.Model) -> None:
    rows = read_rows([(f"question {n % 20}", f"answer {n}") for n in range(60)]).rows
    examples, _ = encode_rows(model, rows)
    found = split(examples, fraction=0.2, seed=3)
    assert [len(part) for part in (found.train, found.validation, found.test)] == [48, 6, 6]
    prompts = [
        {e.ids[: e.prompt_length] for e in part} for part in (found.train, found.validation, found.test)
    ]
    assert not (prompts[0] & prompts[1] or prompts[0] & prompts[2] or prompts[1] & prompts[2])
    assert "40 rows share their prompt" in found.notes[0]
    assert split(examples, fraction=0.2, seed=3) == found != split(examples, fraction=0.2, seed=4)
    few = split(examples[:2])
    assert len(few.train) == 2 and "too few rows" in few.notes[-1]
    assert len(split(examples[:3]).test) == 1
    with pytest.raises(UsageError, match="eval_fraction"):
        split(examples, fraction=0.9)


def test_the_mask_can_be_seen(model: lm.Model) -> None:
    example = encode_rows(model, read_rows([("who <b>", "me & you")]).rows)[0][0]
    mask = mask_of(model, example)
    assert repr(mask).endswith("]") and repr(mask).count("[") == example.completions
    shown = mask._repr_html_()
    assert "<b>" not in shown and shown.count("<ins>") == example.completions


TURN = "{% for m in messages %}HEAD{{ m.content }}END{% endfor %}{% if add_generation_prompt %}ASK{% endif %}"
ENDS = {  # what begins and ends a turn in real templates, beside an EOS that ends none
    "gemma": ("<start_of_turn>{{ m.role }}\n", "<start_of_turn>assistant\n", "<end_of_turn>", "\n"),
    "phi3": ("<|{{ m.role }}|>\n", "<|assistant|>\n", "<|end|>", "\n"),
    "llama3": ("<|header|>{{ m.role }}<|_|>\n\n", "<|header|>assistant<|_|>\n\n", "<|eot_id|>", ""),
}


@pytest.mark.parametrize("family", ENDS)
def test_the_end_of_a_turn_is_the_templates(model: lm.Model, family: str) -> None:
    """M8: EOS was learnt, which ends no turn there, and earlier answers were not learnt at all."""
    import json

    from llm_magics.engine.tokenizer import TextTokenizer

    head, ask, end, behind = ENDS[family]
    template = TURN.replace("HEAD", head).replace("ASK", ask).replace("END", end + behind)
    data = json.loads((model.folder / "tokenizer.json").read_text("utf-8"))
    new = len(data["model"]["vocab"]) + 100
    data["added_tokens"].append(
        {
            "id": new,
            "content": end,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
    )
    eos = model.tokenizer.eos_id
    tokenizer = TextTokenizer.from_text(
        json.dumps(data), bos_id=None, eos_id=eos, eos_ids=frozenset({eos, new}), add_bos=False
    )
    (place,) = tokenizer.special_ids_in_text(end)
    tokenizer = TextTokenizer.from_text(
        json.dumps(data), bos_id=None, eos_id=eos, eos_ids=frozenset({eos, place}), add_bos=False
    )
    other = lm.Model(model.engine, tokenizer, model.info, template=template)
    chat = [
        {"role": r, "content": c}
        for r, c in (("user", "Hi"), ("assistant", "Hello."), ("user", "And?"), ("assistant", "Bye."))
    ]
    (example,), notes = encode_rows(other, read_rows([{"messages": chat}]).rows)
    assert learnt(other, example) == f"Hello.{end}Bye.{end}" and not notes
    (example,), _ = encode_rows(other, read_rows([{"prompt": chat[:3], "completion": chat[3:]}]).rows)
    assert learnt(other, example) == f"Bye.{end}"


def test_chat_markup_in_a_text_is_read_as_the_model_reads_it(model: lm.Model) -> None:
    """M3: a column made with apply_chat_template, the usual form of trl."""
    text = model.render([{"role": "user", "content": "Hi"}]) + "Hello.<|im_end|>\n"
    (example,), _ = encode_rows(model, read_rows([{"text": text}]).rows)
    assert list(example.ids) == model.tokenizer.encode(text) and len(example.ids) < 40
    assert model.tokenizer.decode(example.ids) == text  # the turn has its end, and gets no second one


def test_rows_that_the_template_does_not_take_are_left_out(model: lm.Model) -> None:
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + (
        model.template or ""
    )
    other = lm.Model(model.engine, model.tokenizer, model.info, template=strict)
    rows = read_rows(
        [{"prompt": "a", "completion": "b"}, {"system": "s", "prompt": "a", "completion": "c"}]
    ).rows
    examples, notes = encode_rows(other, rows)
    assert [example.row for example in examples] == [1]
    assert (
        notes[0].startswith("row 2 is left out: the chat template does not take row 2")
        and "no system role" in notes[0]
    )
    with pytest.raises(UsageError, match="no usable training rows"):
        encode_rows(other, rows[1:])
