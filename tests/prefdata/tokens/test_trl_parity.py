"""Contract with TRL 1.16: our token ids are the ids its DPOTrainer builds."""

import json
from pathlib import Path

import pytest
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from prefdata.tokens import load_tokenizer, render, render_frame
from prefdata.types import Message, Pair
from tests.prefdata.tokens.pairs import frame, pair, real_pairs, turns
from tests.tiny import CHATML

BOS = "{{ bos_token }}" + CHATML
# closes an open thought in the prompt only, so the prompt is no prefix of prompt + completion
THINKING = CHATML.replace("assistant\n' }}{% endif", "assistant\n<think></think>' }}{% endif")
TOOLS = (
    "{% if tools %}{{ 'tools: ' + (tools | tojson) + '\n' }}{% endif %}"
    "{% if shout %}{{ 'LOUD\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.content is defined %}{{ m.content }}{% endif %}"
    "{% for call in m.tool_calls or [] %}{{ call.function.name + (call.function.arguments | tojson) }}{% endfor %}"
    "{% if 'name' in m %}{{ '(' + m.name + ')' }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

WRITTEN = [
    pair("What is the capital of France?", "Paris.", "London."),
    pair(turns("Hi", "Hello!", "Bake bread?"), "Mix flour.", "No."),
    pair(turns("Hi", system="Be brief."), "Yes", "Yes, and much more"),
    pair("naïve 🤖 日本語 \u202eright to left", "e\u0301 and é", "\u00a0 \t\n x  "),
    pair("Say <|im_end|> aloud", "<|im_end|>", "<|im_start|>system\n"),
    pair("empty", "", "not"),
    pair("same start", "The capital of France", "The capital of Spain"),
    pair("several turns", turns("one", "two", "three", first="assistant"), "one"),
]


def trl_ids(
    model: Path, pairs: list[Pair], template: str, output: Path
) -> list[dict[str, list[int]]]:
    """Returns what a real DPOTrainer has tokenised once it stands."""
    tokenizer = load_tokenizer(model)
    tokenizer.chat_template = template
    tokenizer.bos_token = "<|endoftext|>"
    rows = [trl_row(p) for p in pairs]
    with_columns = [{key: row.get(key) for key in {k for r in rows for k in r}} for row in rows]
    args = DPOConfig(
        output_dir=str(output), max_length=None, use_cpu=True, bf16=False, report_to=[]
    )
    trainer = DPOTrainer(
        model=str(model),
        args=args,
        train_dataset=Dataset.from_list(with_columns),
        processing_class=tokenizer,
    )
    return [
        {key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")}
        for row in trainer.train_dataset
    ]


def trl_row(p: Pair) -> dict[str, object]:
    row: dict[str, object] = {
        side: [message_dict(m) for m in getattr(p, side)]
        for side in ("prompt", "chosen", "rejected")
    }
    if p.tools is not None:
        row["tools"] = p.tools
    if p.chat_template_kwargs is not None:
        row["chat_template_kwargs"] = json.loads(p.chat_template_kwargs)
    return row


def message_dict(m: Message) -> dict[str, object]:
    fields = {name: getattr(m, name) for name in m.__struct_fields__}
    kept = {key: value for key, value in fields.items() if value is not None}
    if "tool_calls" in kept:
        kept["tool_calls"] = json.loads(kept["tool_calls"])
    return kept


def our_ids(model: Path, pairs: list[Pair], template: str) -> list[dict[str, list[int]]]:
    tokenizer = load_tokenizer(model)
    tokenizer.chat_template = template
    tokenizer.bos_token = "<|endoftext|>"
    return render_frame(tokenizer, frame(*pairs)).drop_columns("id").to_pylist()


@pytest.mark.parametrize("template", [CHATML, BOS, THINKING], ids=["chatml", "bos", "no-prefix"])
def test_frame_has_trls_ids(tiny_model: Path, tmp_path: Path, template: str) -> None:
    pairs = WRITTEN + real_pairs()
    assert our_ids(tiny_model, pairs, template) == trl_ids(tiny_model, pairs, template, tmp_path)


def test_templates_of_the_test_differ_as_they_should(tiny_model: Path) -> None:
    plain, bos, thinking = (our_ids(tiny_model, WRITTEN[:1], t) for t in (CHATML, BOS, THINKING))
    assert bos[0]["prompt_ids"] == [0, *plain[0]["prompt_ids"]]
    assert "<think></think>" in THINKING
    assert thinking == plain  # what the prompt has alone is cut off where it leaves the whole


def test_tools_calls_and_template_arguments_reach_the_template(
    tiny_model: Path, tmp_path: Path
) -> None:
    tools = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {}}}])
    call = json.dumps([{"type": "function", "function": {"name": "weather", "arguments": "{}"}}])
    prompt = (
        Message("user", "Weather?", name="Ann"),
        Message("assistant", None, tool_calls=call),
        Message("tool", "Rain", name="weather"),
    )
    kwargs = json.dumps({"shout": True})
    pairs = [pair(prompt, "It rains", "Sun", tools=tools, chat_template_kwargs=kwargs)]
    ours = our_ids(tiny_model, pairs, TOOLS)
    assert ours == trl_ids(tiny_model, pairs, TOOLS, tmp_path)
    text = load_tokenizer(tiny_model).decode(ours[0]["prompt_ids"])
    assert text.startswith("tools: [{")
    assert "LOUD" in text
    assert 'weather"{}"' in text
    assert "(Ann)" in text


def test_one_pair_has_the_ids_of_the_frame(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    rows = render_frame(tokenizer, frame(*WRITTEN)).drop_columns("id").to_pylist()
    for p, row in zip(WRITTEN, rows, strict=True):
        assert render(tokenizer, p.prompt, p.chosen, p.rejected)._asdict() == row
