"""The traps of TRL's layouts, formats.md 1.1, one by one."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.errors import BadRecord
from prefdata.formats import LAYOUTS, Options
from prefdata.types import Message, Pair


def read(name: str, record: dict[str, Any], **options: Any) -> Pair:
    (pair,) = LAYOUTS.get(name).read(record, Options(**options))
    return cast(Pair, pair)


def content(messages: tuple[Message, ...]) -> str:
    (message,) = messages
    assert message.content is not None
    return message.content


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def test_a_completion_keeps_its_leading_space() -> None:
    pair = read("trl-standard", {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."})
    assert (content(pair.chosen), content(pair.rejected)) == (" blue.", " green.")


def test_an_implicit_prompt_is_never_cut_inside_a_word() -> None:
    record = {"chosen": "Q: colour? A: blue", "rejected": "Q: colour? A: black"}
    with pytest.raises(BadRecord) as caught:
        read("trl-standard-implicit", record)
    assert caught.value.rule == "prompt-split-inside-word"
    assert '"Q: colour? A: bl"' in caught.value.message
    assert '--prompt-ends-with "A:"' in caught.value.message
    assert "--map prompt=" in caught.value.message
    pair = read("trl-standard-implicit", record, prompt_ends_with="A:")
    assert content(pair.prompt) == "Q: colour? A:"
    assert (content(pair.chosen), content(pair.rejected)) == (" blue", " black")


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("I use C++", "I use C#"),
        ("It costs 1.5", "It costs 1.7"),
        ("It isn't", "It isn"),
        ("He said no", "He said nothing"),
        ("naïve", "nai\u0308ve"),
        ("A:blue", "A:green"),
        ("天空是蓝色", "天空是绿色"),
    ],
)
def test_words_are_what_white_space_separates(chosen: str, rejected: str) -> None:
    with pytest.raises(BadRecord) as caught:
        read("trl-standard-implicit", {"chosen": f"Q? {chosen}", "rejected": f"Q? {rejected}"})
    assert caught.value.rule in ("prompt-split-inside-word", "empty-completion")


WORDS = st.text("ab é天\n\t:'", max_size=12)


@given(shared=WORDS, chosen=WORDS, rejected=WORDS)
def test_prompt_and_completion_are_the_original_text(
    shared: str, chosen: str, rejected: str
) -> None:
    record = {"chosen": shared + chosen, "rejected": shared + rejected}
    try:
        pair = read("trl-standard-implicit", record)
    except BadRecord:
        return
    prompt = content(pair.prompt)
    assert prompt.strip()
    for side in ("chosen", "rejected"):
        completion = content(getattr(pair, side))
        assert prompt + completion == record[side]
        assert completion[0].isspace(), "cut inside a word"
        assert completion.strip() or record[side][-1].isspace()


@given(shared=WORDS, chosen=WORDS, rejected=WORDS)
def test_a_named_end_of_the_prompt_is_taken_as_it_is(
    shared: str, chosen: str, rejected: str
) -> None:
    record = {"chosen": f"{shared}A:{chosen}", "rejected": f"{shared}A:{rejected}"}
    pair = read("trl-standard-implicit", record, prompt_ends_with="A:")
    assert content(pair.prompt).endswith("A:")
    assert content(pair.prompt) + content(pair.chosen) == record["chosen"]
    assert content(pair.prompt) + content(pair.rejected) == record["rejected"]


def test_arrow_padding_on_one_side_does_not_empty_the_shared_prompt() -> None:
    plain = [user("q"), assistant("a")]
    padded = [{**user("q"), "tool_calls": None, "name": None}, assistant("b")]
    pair = read("trl-conversational-implicit", {"chosen": plain, "rejected": padded})
    assert content(pair.prompt) == "q"
    assert (content(pair.chosen), content(pair.rejected)) == ("a", "b")


def test_a_repeated_prompt_is_taken_off_the_completions() -> None:
    prompt = [{"role": "system", "content": "s"}, user("q")]
    record = {
        "prompt": prompt,
        "chosen": [*prompt, assistant("a")],
        "rejected": [*prompt, assistant("b")],
    }
    pair = read("trl-conversational", record)
    assert (content(pair.chosen), content(pair.rejected)) == ("a", "b")
    assert len(pair.prompt) == 2


def test_a_completion_of_the_user_is_refused() -> None:
    record = {"prompt": [user("q")], "chosen": [assistant("a")], "rejected": [user("b")]}
    with pytest.raises(BadRecord, match="role user") as caught:
        read("trl-conversational", record)
    assert (caught.value.rule, caught.value.path) == ("completion-not-assistant", "$.rejected")


def test_ultrafeedback_scores_and_ids_are_kept() -> None:
    conversation = [user("q"), assistant("a")]
    record = {
        "prompt": "q",
        "prompt_id": "5f3a",
        "chosen": conversation,
        "rejected": [user("q"), assistant("b")],
        "messages": conversation,
        "score_chosen": 8.5,
        "score_rejected": 8.5,
    }
    pair = read("trl-mixed", record)
    assert (pair.chosen_score, pair.rejected_score) == (8.5, 8.5)
    assert pair.meta == {"prompt_id": "5f3a"}


def test_a_text_prompt_that_one_side_does_not_repeat_is_refused() -> None:
    record = {
        "prompt": "q",
        "chosen": [user("q"), assistant("a")],
        "rejected": [assistant("b")],
    }
    with pytest.raises(BadRecord) as caught:
        read("trl-mixed", record)
    assert caught.value.rule == "no-shared-prompt"


@pytest.mark.parametrize("tools", [[], [{"type": "function"}], '[{"type": "function"}]'])
def test_tools_are_json_text(tools: Any) -> None:
    record = {"prompt": "q", "chosen": "a", "rejected": "b", "tools": tools}
    expected = tools if isinstance(tools, str) else "[]" if not tools else '[{"type":"function"}]'
    assert read("trl-standard", record).tools == expected
