"""What is called a rewrite of an answer, and what is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.tokens.rewrites import rewritten, shared_length

PROMPT = "<user>Rain in Rome?<model>"
texts = st.text("ab \n<", max_size=12)


def said(content: str | None = None, **fields: object) -> list[dict[str, object]]:
    calls = fields.pop("tool_calls", None)
    message = {"role": "assistant", "content": content, "thinking": None, **fields}
    return [{**message, "tool_calls": json.dumps(calls) if calls else None}]


def call(arguments: object) -> list[dict[str, object]]:
    return [{"type": "function", "function": {"name": "weather", "arguments": arguments}}]


@pytest.mark.parametrize(
    ("content", "written", "change"),
    [
        (" Blue.", "Blue.", "loses white space at its edges"),
        ("\n\nBlue.\n", "Blue.", "loses white space at its edges"),
        ("Blue.\n\nRed.", "Blue. Red.", "has other white space"),
        ("<think>Sea.</think>\nBlue.", "Blue.", "loses its thinking"),
        ("Blue.", "Red.", "is another text"),
        ("Rain", "", "is another text"),
        ("Blue.", "Blue.", None),
        ("", "", None),
        ("Blue.", "<think>\n\n</think>\n\nBlue.", None),
    ],
)
def test_text(content: str, written: str, change: str | None) -> None:
    assert rewritten(said(content), f"{PROMPT}{written}<end>", PROMPT) == change


def test_an_answer_may_begin_in_the_generation_prompt() -> None:
    opened = PROMPT + "<think>\n"
    text = f"{opened}Sea.</think>Blue.<end>"
    assert rewritten(said("<think>\nSea.</think>Blue."), text, opened) is None


def test_the_prompt_is_no_proof_of_an_answer() -> None:
    assert rewritten(said("Rain in Rome?"), PROMPT + "<end>", PROMPT) == "is another text"


def test_thinking() -> None:
    kept, lost = PROMPT + "<think>Sea.</think>Blue.<end>", PROMPT + "Blue.<end>"
    message = said("Blue.", thinking="\nSea.\n")
    assert rewritten(message, kept, PROMPT) is None
    assert rewritten(message, lost, PROMPT) == "loses its thinking"


def test_turns_of_others_are_not_looked_at() -> None:
    turn = {"role": "tool", "content": "Sun ", "thinking": None, "tool_calls": None}
    assert rewritten([turn], PROMPT + "Sun<end>", PROMPT) is None


ARGUMENTS = {"city": 'Zürich "old"', "days": [1, 2.5], "now": True}


@pytest.mark.parametrize(
    ("arguments", "written", "change"),
    [
        (ARGUMENTS, json.dumps(ARGUMENTS), None),
        (ARGUMENTS, json.dumps(ARGUMENTS, ensure_ascii=False, indent=2), None),
        (ARGUMENTS, 'city=Zürich "old", days=1,2.5, now=yes', None),
        (json.dumps(ARGUMENTS), json.dumps(ARGUMENTS), None),
        (json.dumps(ARGUMENTS), json.dumps(ARGUMENTS, indent=1, ensure_ascii=False), None),
        ("{}", '"{}"', None),
        (None, "", None),
        ("not JSON", "not JSON", None),
        (ARGUMENTS, json.dumps(ARGUMENTS | {"days": [1]}), "has other tool-call arguments"),
        (ARGUMENTS, "{}", "has other tool-call arguments"),
        ("not JSON", "{}", "has other tool-call arguments"),
        (
            json.dumps({"city": "Rome"}),
            json.dumps(json.dumps({"city": "Rome"})),
            "has tool-call arguments as a quoted string",
        ),
    ],
)
def test_tool_calls(arguments: object, written: str, change: str | None) -> None:
    text = f'{PROMPT}{{"name": "weather", "arguments": {written}}}<end>'
    assert rewritten(said(tool_calls=call(arguments)), text, PROMPT) == change
    lost = rewritten(said(tool_calls=call(arguments)), PROMPT + "<end>", PROMPT)
    assert lost == "loses its tool calls"


@given(texts, texts)
def test_shared_length_is_that_of_the_common_prefix(a: str, b: str) -> None:
    assert shared_length(a, b) == max(n for n in range(len(a) + 1) if b.startswith(a[:n]))


@given(texts, texts, texts)
def test_what_stands_in_the_completion_is_no_rewrite(before: str, content: str, after: str) -> None:
    assert rewritten(said(content), PROMPT + before + content + after, PROMPT) is None
