"""Ids are content hashes: the published vectors hold, and everything hashed changes them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata import frame
from prefdata.schema import PairRow, pair_id, prompt_id
from prefdata.types import Message, Messages, Origin, Pair, Vote

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "schemas/id-vectors.json").read_text(encoding="utf-8"))


def messages(items: list[dict[str, Any]]) -> Messages:
    return tuple(Message(**item) for item in items)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_published_vectors(vector: dict[str, Any]) -> None:
    prompt, chosen, rejected = (messages(vector[k]) for k in ("prompt", "chosen", "rejected"))
    assert prompt_id(prompt, vector["tools"]) == vector["prompt_id"]
    assert pair_id(prompt, chosen, rejected, vector["tools"]) == vector["id"]


text = st.text(max_size=8)
message = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "system"]),
    content=st.none() | text,
    name=st.none() | text,
    thinking=st.none() | text,
)
conversation = st.lists(message, max_size=3).map(tuple)
filled = st.lists(message, min_size=1, max_size=3).map(tuple)


@given(conversation, filled, filled, conversation, filled, filled)
def test_equal_ids_mean_equal_content(
    p: Messages, c: Messages, r: Messages, p2: Messages, c2: Messages, r2: Messages
) -> None:
    assert (pair_id(p, c, r) == pair_id(p2, c2, r2)) == ((p, c, r) == (p2, c2, r2))
    assert (prompt_id(p) == prompt_id(p2)) == (p == p2)


@given(conversation, filled, filled)
def test_boundaries_are_hashed(p: Messages, c: Messages, r: Messages) -> None:
    """Moving a message over the border between two fields gives another id."""
    assert pair_id((*p, c[0]), c[1:], r) != pair_id(p, c, r)


@given(
    conversation,
    filled,
    filled,
    st.none() | st.lists(st.builds(Vote, choice=st.sampled_from(["chosen", "tie"]))).map(tuple),
)
def test_columns_hold_what_the_records_held(
    p: Messages, c: Messages, r: Messages, votes: tuple[Vote, ...] | None
) -> None:
    pair = Pair(
        prompt=p,
        chosen=c,
        rejected=r,
        votes=votes,
        meta={"k": [1, None]},
        origin=Origin("s", "f", 3),
    )
    row = frame.pairs_table([pair, pair]).to_pylist()[1]
    PairRow.model_validate(row)
    assert frame.messages(row["prompt"]) == p
    assert frame.messages(row["chosen"]) == c
    assert frame.messages(row["rejected"]) == r
    assert frame.votes(row["votes"]) == votes
    assert json.loads(row["meta"]) == {"k": [1, None]}


def test_the_model_and_the_columns_are_the_same_schema() -> None:
    assert list(PairRow.model_fields) == frame.PAIRS.names
    nested = frame.MESSAGES.value_type
    assert [f.name for f in nested] == list(Message.__struct_fields__)
    assert all(f.type == pa.string() for f in nested)


def test_committed_schemas_are_current() -> None:
    ran = subprocess.run(
        [sys.executable, "schemas/generate.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
