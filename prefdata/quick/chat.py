"""What the quick twins of chat layouts share: plain messages, and rows of them as columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, compress
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
import pyarrow as pa
from msgspec import UNSET, Raw, Struct, UnsetType

from prefdata.errors import BadRecord
from prefdata.frame import messages_column, texts
from prefdata.io.json_text import keys_are_single
from prefdata.quick import Quick
from prefdata.quick.single_keys import proven_single, quotes_in
from prefdata.reading.padding import calls_without_padding, tools_without_padding
from prefdata.reading.values import differs, json_text
from prefdata.types import ROLES, Role

R = TypeVar("R")

_ROLES = pa.array(ROLES)
_ROLE_NUMBERS = {role: number for number, role in enumerate(ROLES)}
_AROUND = 2  # quotes around a key or a text


class Message(Struct, forbid_unknown_fields=True, gc=False):
    """A message with the keys of a canonical one, its role under the canonical name."""

    role: Role
    content: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    tool_calls: list[Any] | UnsetType | None = UNSET
    tool_call_id: str | UnsetType | None = UNSET


class Tools(NamedTuple):
    """Tool definitions: JSON text for their column, and how many quotes they had as given."""

    text: str | None
    quotes: int


_NO_TOOLS = Tools(None, 0)


class Row(NamedTuple):
    """A plain row.

    Attributes:
        prompt: the conversation so far.
        chosen: the better completion.
        rejected: the worse one.
        tools: their definitions.
        meta: JSON text.
        quotes: how many its JSON has beside those of messages and tools.
    """

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    tools: Tools
    meta: str
    quotes: int


class _Columns(NamedTuple):
    """Rows as columns, and how many quotes there are in their JSON."""

    columns: dict[str, pa.Array]
    quotes: int


class Unplain(Exception):
    """A row that is left to the layout's reader."""


def quick_rows(data: bytes, row_type: type[R], plain: Callable[[R], Row]) -> Quick:
    """Returns the lines that decode to `row_type` and are plain, as canonical columns.

    Args:
        data: whole lines of JSON Lines.
        row_type: the shape of a plain row; forbids unknown fields.
        plain: what it holds; raises `Unplain` for what only the reader can judge.
    """
    lines = data.removesuffix(b"\n").split(b"\n")
    decode = msgspec.json.Decoder(row_type).decode
    taken: list[int] = []
    values: list[R] = []
    rows: list[Row] = []
    for index, line in enumerate(lines):
        try:
            value = decode(line)
            rows.append(plain(value))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Unplain, BadRecord):
            continue
        taken.append(index)
        values.append(value)
    if not rows:
        return Quick(len(lines), (), {})
    return _single(lines, taken, values, rows)


def _single(
    lines: Sequence[bytes], taken: list[int], values: Sequence[object], rows: list[Row]
) -> Quick:
    """Returns the rows that are proven to give no key twice."""
    columns, quotes = _columns(rows)
    single = proven_single([lines[index] for index in taken], values, quotes)
    if single.all():
        return Quick(len(lines), taken, columns)
    rows = list(compress(rows, single))
    columns = _columns(rows).columns if rows else {}
    return Quick(len(lines), list(compress(taken, single)), columns)


def check_prompt(messages: Sequence[Message]) -> None:
    """Raises `Unplain` where a message has neither text nor calls."""
    for message in messages:
        if type(message.content) is not str and not _calls(message):
            raise Unplain


def check_completion(messages: Sequence[Message]) -> None:
    """Raises `Unplain` where the assistant does not begin a completion, or as `check_prompt`."""
    if not messages or messages[0].role != "assistant":
        raise Unplain
    check_prompt(messages)


def tools_of(given: Raw | UnsetType) -> Tools:
    """Returns tool definitions; null and empty text are none."""
    return _NO_TOOLS if given is UNSET else _tools(bytes(given))


@lru_cache(1024)  # most rows of a set offer the same tools
def _tools(raw: bytes) -> Tools:
    value = msgspec.json.decode(raw)
    quotes = _AROUND + raw.count(b'"')
    if value is None or value == "":
        return Tools(None, quotes)
    if not keys_are_single(raw, value):
        raise Unplain
    return Tools(json_text(tools_without_padding(value), "$.tools"), quotes)


def _columns(rows: Sequence[Row]) -> _Columns:
    *sides, tools, metas, quotes = zip(*rows, strict=True)
    made = [_conversations(side) for side in sides]
    found = dict(zip(("prompt", "chosen", "rejected"), (side.column for side in made), strict=True))
    found["meta"] = pa.array(metas, pa.string())
    if any(given.text is not None for given in tools):
        found["tools"] = texts([given.text for given in tools])
    ours = sum(side.quotes for side in made)
    return _Columns(found, ours + sum(given.quotes for given in tools) + sum(quotes))


class _Values(NamedTuple):
    """One thing of all messages as a column, if any has it, and its quotes in their JSON."""

    column: pa.Array | None
    quotes: int


def _conversations(rows: Sequence[list[Message]]) -> _Values:
    flat = list(chain.from_iterable(rows))
    roles = pa.array([_ROLE_NUMBERS[message.role] for message in flat], pa.int8())
    fields = {
        "content": _texts([message.content for message in flat]),
        "name": _texts([message.name for message in flat]),
        "tool_calls": _calls_texts([message.tool_calls for message in flat]),
        "tool_call_id": _texts([message.tool_call_id for message in flat]),
    }
    used = {name: field.column for name, field in fields.items() if field.column is not None}
    column = messages_column([len(row) for row in rows], role=_ROLES.take(roles), **used)
    quotes = 2 * _AROUND * len(flat)  # around the key `role` and its value
    return _Values(column, quotes + sum(field.quotes for field in fields.values()))


def _texts(values: list[str | UnsetType | None]) -> _Values:
    keys = len(values) - values.count(UNSET)
    if not keys:
        return _Values(None, 0)
    given = (
        [None if value is UNSET else value for value in values] if keys < len(values) else values
    )
    written = len(values) - given.count(None)
    if not written:
        return _Values(None, _AROUND * keys)
    column = texts(cast("list[str | None]", given))
    return _Values(column, _AROUND * (keys + written) + quotes_in(column))


def _calls(message: Message) -> list[Any]:
    return message.tool_calls or [] if message.tool_calls is not UNSET else []


def _calls_texts(values: list[list[Any] | UnsetType | None]) -> _Values:
    keys = _AROUND * (len(values) - values.count(UNSET))
    places = [index for index, calls in enumerate(values) if calls is not UNSET and calls]
    if not places:
        return _Values(None, keys)
    calls = [cast("list[Any]", values[index]) for index in places]
    written, quotes = _written(calls)
    found: list[str | None] = [None] * len(values)
    for index, text in zip(places, written, strict=True):
        found[index] = text
    return _Values(texts(found), keys + quotes)


def _written(calls: Sequence[list[Any]]) -> tuple[list[str], int]:
    """Returns calls as JSON texts, and how many quotes they had as given."""
    lines = msgspec.json.Encoder().encode_lines(calls)
    quotes = lines.count(b'"')
    if not differs(lines):  # without a null there is no padding either
        return lines.decode().split("\n")[:-1], quotes
    found = [
        json_text(calls_without_padding(call), "$.tool_calls") if differs(line) else line.decode()
        for call, line in zip(calls, lines.split(b"\n"), strict=False)
    ]
    return found, quotes
