"""Texts read all at once are those that Python's json reads, and nothing else is taken."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from prefdata.quick.flat_texts import FlatTexts, flat_texts

KEYS = ("chosen", "rejected")
TEXT = st.text(st.sampled_from('ab "\\/\n\t\r\b\0\x1funé…🙂\u2028\ufeff'), max_size=8)
rows = st.tuples(TEXT, TEXT).map(lambda texts: dict(zip(KEYS, texts, strict=True)))
styles = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (",", ": ")]),
    }
)


def read(data: bytes) -> FlatTexts:
    return flat_texts(data, [key.encode() for key in KEYS])


def texts(found: FlatTexts) -> list[tuple[str, ...]]:
    data = found.codes.tobytes()
    return [
        tuple(data[a:b].decode() for a, b in zip(starts, ends, strict=True))
        for starts, ends in zip(found.starts, found.ends, strict=True)
    ]


def has_pairs(row: dict[str, str]) -> bool:
    """Tells whether ASCII needs pairs of escapes for it, which are left to the reader."""
    return any(ord(character) > 0xFFFF for text in row.values() for character in text)


@given(st.lists(rows, min_size=1, max_size=5), styles, st.sampled_from([b"\n", b"\r\n"]))
def test_plain_rows_are_all_taken_and_read_as_json_reads_them(
    records: list[dict[str, str]], style: dict[str, Any], end: bytes
) -> None:
    found = read(b"".join(json.dumps(row, **style).encode() + end for row in records))
    plain = [i for i, row in enumerate(records) if not (style["ensure_ascii"] and has_pairs(row))]
    assert found.lines == len(records)
    assert found.taken.tolist() == plain
    assert texts(found) == [tuple(records[i][key] for key in KEYS) for i in plain]


def test_keys_may_come_in_another_order() -> None:
    found = read(b'{"rejected":"worse","chosen":"better"}')
    assert texts(found) == [("better", "worse")]


BROKEN = [
    b"\xff",
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\xef\xbb\xbf",
    b"\\u0022",
    b"\\ud83d",
    b"\\x",
    b"\\u12",
    b'"a":1,',
    b"null",
]
ROW = b'{"chosen": "a\\n\\u00e9\\"", "rejected": "b\\\\"}'


@given(
    st.integers(0, len(ROW)),
    st.sampled_from(
        [b"", b'"', b",", b"\\", b" ", b"{", b"}", b"\r", b"\x00", *BROKEN],
    ),
    st.integers(0, 3),
)
@example(0, ROW, 0)
@example(len(ROW), b"\\", 0)
@example(len(ROW) - 1, b', "chosen": "c"', 0)
def test_what_is_taken_is_json_and_neighbours_do_not_suffer(at: int, put: bytes, cut: int) -> None:
    damaged = ROW[:at] + put + ROW[at + cut :]
    found = read(b"\n".join([ROW, damaged, b"", ROW]))
    assert {0, 3} <= set(found.taken.tolist()) <= {0, 1, 3}
    for index, read_texts in zip(found.taken.tolist(), texts(found), strict=True):
        line = [ROW, damaged, b"", ROW][index]
        pairs = json.loads(line, object_pairs_hook=list)
        assert sorted(key for key, _ in pairs) == list(KEYS)
        assert read_texts == tuple(dict(pairs)[key] for key in KEYS)


def test_no_lines_at_all() -> None:
    assert read(b"\n").taken.tolist() == read(b"").taken.tolist() == []
