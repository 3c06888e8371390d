"""Truncation against a slow reference that cuts one list at a time."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.tokens import token_facts, truncate
from prefdata.tokens.render import TOKENS

Row = dict[str, list[int]]
SIDES = ("prompt_ids", "chosen_ids", "rejected_ids")

ids = st.lists(st.integers(0, 2), max_size=9)
rows = st.lists(st.fixed_dictionaries(dict.fromkeys(SIDES, ids)), max_size=12)


def table(pairs: list[Row], batches: int = 1) -> pa.Table:
    """The rows as a table of several batches, one of them a slice that does not start at 0."""
    named = [{"id": f"p{i}", **pair} for i, pair in enumerate(pairs)]
    padded = pa.RecordBatch.from_pylist([*named[:1], *named], TOKENS)[len(named[:1]) :]
    step = max(1, -(-len(named) // batches))
    return pa.Table.from_batches([padded[i : i + step] for i in range(0, len(named), step)], TOKENS)


def cut(pair: Row, max_length: int, truncation: str) -> Row | None:
    """What truncation means, in words: one token at a time."""
    prompt, chosen, rejected = (list(pair[side]) for side in SIDES)
    too_long = len(prompt) + max(len(chosen), len(rejected)) > max_length
    if truncation == "drop" and too_long:
        return None
    if truncation == "keep_start":
        chosen, rejected = (
            (prompt + side)[:max_length][len(prompt) :] for side in (chosen, rejected)
        )
        prompt = prompt[:max_length]
    while truncation == "keep_end" and len(prompt) + max(len(chosen), len(rejected)) > max_length:
        if len(prompt) > 1:
            prompt.pop(0)
        else:
            max((chosen, rejected), key=len).pop(0)
    return dict(zip(SIDES, (prompt, chosen, rejected), strict=True))


@given(
    rows, st.integers(2, 14), st.sampled_from(["drop", "keep_start", "keep_end"]), st.integers(1, 3)
)
def test_truncation_is_that_of_the_reference(
    pairs: list[Row], max_length: int, truncation: str, batches: int
) -> None:
    result = truncate(table(pairs, batches), max_length, truncation)
    expected = [(f"p{i}", cut(pair, max_length, truncation)) for i, pair in enumerate(pairs)]
    assert result.table.to_pylist() == [{"id": id_, **pair} for id_, pair in expected if pair]
    dropped = [id_ for id_, pair in expected if pair is None]
    assert result.dropped == ({"too-long": dropped} if dropped else {})
    assert len(pairs) == len(result.table) + sum(map(len, result.dropped.values()))


@given(
    rows, st.integers(2, 14), st.sampled_from(["drop", "keep_start", "keep_end"]), st.integers(1, 3)
)
def test_facts_are_those_of_the_reference(
    pairs: list[Row], max_length: int, truncation: str, batches: int
) -> None:
    facts = token_facts(table(pairs, batches), max_length, truncation).to_dicts()
    assert [fact["id"] for fact in facts] == [f"p{i}" for i in range(len(pairs))]
    for pair, fact in zip(pairs, facts, strict=True):
        prompt, chosen, rejected = (pair[side] for side in SIDES)
        after = cut(pair, max_length, truncation) or pair
        assert fact == {
            "id": fact["id"],
            "prompt_tokens": len(prompt),
            "chosen_tokens": len(chosen),
            "rejected_tokens": len(rejected),
            "prompt_fills_max_length": len(prompt) >= max_length,
            "too_long": len(prompt) + max(len(chosen), len(rejected)) > max_length,
            "chosen_cut": len(chosen) - len(after["chosen_ids"]),
            "rejected_cut": len(rejected) - len(after["rejected_ids"]),
            "empty_completion": not after["chosen_ids"] or not after["rejected_ids"],
            "identical_rendered": chosen == rejected,
            "identical_truncated": after["chosen_ids"] == after["rejected_ids"],
        }


@pytest.mark.parametrize(
    ("truncation", "expected"),
    [
        ("drop", None),
        ("keep_start", ([1, 2, 3], [4], [6])),
        ("keep_end", ([2, 3], [4, 5], [6])),
    ],
)
def test_by_hand(truncation: str, expected: tuple[list[int], ...] | None) -> None:
    pairs = [{"prompt_ids": [1, 2, 3], "chosen_ids": [4, 5], "rejected_ids": [6]}]
    kept = truncate(table(pairs), 4, truncation).table.drop_columns("id").to_pylist()
    assert kept == ([dict(zip(SIDES, expected, strict=True))] if expected else [])


def test_two_answers_that_begin_alike_become_one() -> None:
    pairs = [{"prompt_ids": [1], "chosen_ids": [2, 3], "rejected_ids": [2, 4]}]
    (fact,) = token_facts(table(pairs), 2, "keep_start").to_dicts()
    assert fact["identical_truncated"]
    assert not fact["identical_rendered"]
    assert not fact["empty_completion"]


def test_an_empty_table_stays_one() -> None:
    assert truncate(table([]), 8, "keep_end").table.schema == TOKENS
    assert token_facts(table([]), 8, "drop").height == 0
