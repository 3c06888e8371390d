"""The traps of OASST trees, formats.md 1.20."""

from __future__ import annotations

from typing import Any, cast

from prefdata.formats import LAYOUTS, Options
from prefdata.pairing import count_pairs
from prefdata.types import Ranking


def node(role: str, text: str, *replies: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"message_id": text, "role": role, "text": text, "replies": list(replies), **more}


def rankings(prompt: dict[str, Any]) -> list[Ranking]:
    record = {"message_tree_id": "t", "tree_state": "ready_for_export", "prompt": prompt}
    return [cast(Ranking, item) for item in LAYOUTS.get("oasst-trees").read(record, Options())]


def test_rank_0_is_best_and_the_best_may_be_missing() -> None:
    (ranking,) = rankings(
        node("prompter", "q", *(node("assistant", str(rank), rank=rank) for rank in (3, 0, 2)))
    )
    best = max(ranking.candidates, key=lambda c: cast(float, c.score))
    assert best.completion[0].content == "0"
    assert count_pairs(ranking) == {"every": 3, "adjacent": 2, "best-worst": 1, "best-random": 1}


def test_only_siblings_are_compared_along_the_path_to_the_root() -> None:
    first, second = rankings(
        node(
            "prompter",
            "q",
            node("assistant", "a", node("prompter", "q2", node("assistant", "b", rank=0)), rank=0),
            node("assistant", "c", rank=1),
        )
    )
    assert [m.content for m in first.prompt] == ["q"]
    assert [m.content for m in second.prompt] == ["q", "a", "q2"]
    assert [c.completion[0].content for c in first.candidates] == ["a", "c"]


def test_ranked_prompts_are_never_completions() -> None:
    (ranking,) = rankings(
        node("prompter", "q", node("assistant", "a", rank=1), node("prompter", "p", rank=0))
    )
    assert [c.completion[0].content for c in ranking.candidates] == ["a"]
    assert [item["message_id"] for item in ranking.meta["excluded"]] == ["p"]


def test_what_was_taken_out_is_listed_with_its_reason_and_nothing_below_is_used() -> None:
    below = node("prompter", "q2", node("assistant", "b", rank=0))
    (ranking,) = rankings(
        node(
            "prompter",
            "q",
            node("assistant", "a", rank=0),
            node("assistant", "gone", below, rank=1, deleted=True),
            node("assistant", "spam", rank=2, review_result=False),
        )
    )
    assert [c.completion[0].content for c in ranking.candidates] == ["a"]
    assert [(item["message_id"], item["reason"]) for item in ranking.meta["excluded"]] == [
        ("gone", "deleted"),
        ("spam", "review failed"),
    ]


def test_an_unranked_reply_is_kept_without_a_score() -> None:
    (ranking,) = rankings(node("prompter", "q", node("assistant", "a", rank=None)))
    assert [candidate.score for candidate in ranking.candidates] == [None]


def test_a_very_deep_tree_is_no_deeper_than_any_other() -> None:
    tree = node("assistant", "last", rank=0)
    for turn in range(1200):
        tree = node("prompter" if turn % 2 == 0 else "assistant", str(turn), tree)
    found = rankings(node("prompter", "q", tree) if tree["role"] == "assistant" else tree)
    assert len(found[-1].prompt) >= 1199


def test_rankings_come_in_the_order_of_the_tree() -> None:
    def answered(text: str) -> dict[str, Any]:
        return node("assistant", text, node("prompter", f"{text}?", node("assistant", f"{text}!")))

    found = rankings(node("prompter", "q", answered("a"), answered("b")))
    assert [ranking.prompt[-1].content for ranking in found] == ["q", "a?", "b?"]
