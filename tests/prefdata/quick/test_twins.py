"""A quick twin reads what its layout's reader reads, to the byte, and leaves the rest to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.converting.convert_block import Converted, convert_block
from prefdata.converting.options import ConvertOptions, Source
from prefdata.io.blocks import Lines, Rows
from prefdata.quick import TWINS
from tests.prefdata.formats.cases import CASES

TEXT = st.text(st.sampled_from('ab \n"\\:é🙂{}'), max_size=12)
ROLES = st.sampled_from(["user", "assistant", "system", "tool", "human", "developer"])


def both_ways(layout: str, lines: list[bytes]) -> tuple[Converted, Converted]:
    """Returns what lines become with the twin and without; the first of them counts as line 3."""
    data = b"\n".join(lines) + b"\n"
    block = Lines(3, 100, len(data), data)
    source = Source("set", "set.jsonl", layout)
    exactly = Rows(3, list(block.rows()))
    options = ConvertOptions(layout=layout)
    return convert_block(block, source, options), convert_block(exactly, source, options)


def assert_same(layout: str, lines: list[bytes]) -> None:
    quick, exact = both_ways(layout, lines)
    assert quick.pairs.equals(exact.pairs)
    assert quick.quarantine == exact.quarantine
    assert msgspec.to_builtins(quick.ledger) == msgspec.to_builtins(exact.ledger)


def compact(record: Any) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def taken(layout: str, *records: Any) -> int:
    return len(TWINS.get(layout)(b"\n".join(map(compact, records))).taken)


turn = st.builds(
    "{}{}{}".format,
    st.sampled_from(["\n\nHuman:", "\n\nAssistant:"]),
    st.sampled_from(["", " ", "  "]),
    TEXT,
)
transcript = st.lists(turn, max_size=4).map("".join)


@st.composite
def hh_rows(draw: st.DrawFn) -> dict[str, Any]:
    shared = draw(transcript)
    sides = {
        side: draw(st.sampled_from(["", "\n\nHuman: q"])) + shared + draw(turn)
        for side in ("chosen", "rejected")
    }
    return sides | draw(st.sampled_from([{}, {}, {}, {"meta": 1}, {"rejected": None}]))


arguments = st.dictionaries(TEXT, st.none() | st.floats(allow_nan=False) | TEXT, max_size=2)
calls = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.none() | TEXT,
            "function": st.fixed_dictionaries({"name": TEXT, "arguments": arguments}),
        }
    ),
    max_size=2,
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": ROLES, "content": TEXT | st.none()},
        optional={
            "name": st.none() | TEXT,
            "tool_call_id": st.none() | TEXT,
            "tool_calls": st.none() | calls,
            "weight": st.none() | st.just(1),
        },
    ),
    max_size=3,
)
answers = st.tuples(
    st.lists(
        st.fixed_dictionaries(
            {"role": st.just("assistant"), "content": TEXT}, optional={"tool_calls": calls}
        ),
        min_size=1,
        max_size=1,
    ),
    messages,
).map(lambda parts: [*parts[0], *parts[1]])
tools = st.none() | st.just("") | st.just("[]") | st.lists(st.dictionaries(TEXT, st.none() | TEXT))
chat_rows = st.fixed_dictionaries(
    {"prompt": messages, "chosen": answers, "rejected": answers},
    optional={"tools": tools, "source": st.just("set")},
)
openai_rows = st.fixed_dictionaries(
    {
        "input": st.fixed_dictionaries(
            {"messages": messages},
            optional={"tools": tools, "parallel_tool_calls": st.none() | st.booleans()},
        ),
        "preferred_output": answers,
        "non_preferred_output": answers,
    }
)
ROWS = {"hh-rlhf": hh_rows(), "trl-conversational": chat_rows, "openai-preference": openai_rows}


def test_every_twin_is_held_to_its_reader() -> None:
    assert set(TWINS.names()) == set(ROWS)


@pytest.mark.parametrize("layout", ROWS)
@given(st.data())
def test_a_twin_reads_what_the_reader_reads(layout: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(ROWS[layout], min_size=1, max_size=6))
    assert_same(layout, [compact(row) for row in rows])
    assert_same(layout, [json.dumps(row).encode() + b"\r" for row in rows])


@pytest.mark.parametrize("layout", ROWS)
@given(st.data())
def test_damage_is_left_to_the_reader(layout: str, data: st.DataObject) -> None:
    line = compact(data.draw(ROWS[layout]))
    at = data.draw(st.integers(0, len(line)))
    put = data.draw(st.sampled_from([b"", b'"', b",", b"\\", b"\xff", b"\\u0022", b" ", b'"a":1,']))
    cut = data.draw(st.integers(0, 2))
    assert_same(layout, [line, line[:at] + put + line[at + cut :], b"", line])


def fixtures() -> Iterator[tuple[str, Path]]:
    for case in CASES:
        (source,) = case.folder.glob("in.*")
        if case.layout.name in ROWS and source.suffix == ".jsonl":
            yield case.layout.name, source


@pytest.mark.parametrize(("layout", "source"), list(fixtures()), ids=str)
def test_a_twin_reads_real_files_as_the_reader_does(layout: str, source: Path) -> None:
    assert_same(layout, source.read_bytes().splitlines())


def test_plain_rows_are_taken_and_others_are_not() -> None:
    hh = {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}
    assert taken("hh-rlhf", hh, hh | {"chosen": "b"}, hh | {"id": 1}) == 1
    asked, told = [{"role": "user", "content": "a"}], [{"role": "assistant", "content": "b"}]
    chat = {"prompt": asked, "chosen": told, "rejected": told, "tools": [{"name": "f"}]}
    assert taken("trl-conversational", chat, chat | {"chosen": asked}, chat | {"images": []}) == 1
    openai = {"input": {"messages": asked}, "preferred_output": told, "non_preferred_output": told}
    assert taken("openai-preference", openai, openai | {"preferred_output": []}) == 1


@pytest.mark.parametrize("layout", ROWS)
def test_a_key_given_twice_is_never_taken(layout: str) -> None:
    (case, *_) = [case for case in CASES if case.layout.name == layout]
    line = compact(case.records[0])
    assert list(TWINS.get(layout)(line).taken) == [0]
    twice = b'{"%s":1,%s' % (next(iter(case.records[0])).encode(), line[1:])
    assert not len(TWINS.get(layout)(twice).taken)
