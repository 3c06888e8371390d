"""Thrift's compact protocol, as far as a Parquet footer needs it: read to plain values, written back.

A struct is a dict from field number to (type, value), in the order of the file; unknown fields are
kept, so what is read is written back byte for byte.

Source: apache/thrift, doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

from typing import Any, TypeAlias

TRUE, FALSE, I8, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

Struct: TypeAlias = dict[int, tuple[int, Any]]
_INTEGERS = (I16, I32, I64)


class Reader:
    """Reads values one after the other from `data`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> Struct:
        """Returns the struct that starts here."""
        found: Struct = {}
        number = 0
        while header := self._byte():
            kind, step = header & 15, header >> 4
            number = number + step if step else self._zigzag()
            found[number] = (kind, self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self._zigzag()
        if kind == BINARY:
            return self._take(self._varint())
        if kind in (LIST, SET):
            return self._list()
        if kind == STRUCT:
            return self.struct()
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == DOUBLE:
            return self._take(8)
        if kind == I8:
            return self._byte()
        raise ValueError(f"thrift type {kind} does not occur in a Parquet footer")

    def _list(self) -> tuple[int, list[Any]]:
        header = self._byte()
        kind, size = header & 15, header >> 4
        if size == 15:
            size = self._varint()
        if kind in (TRUE, FALSE):
            return kind, [self._byte() for _ in range(size)]
        return kind, [self._value(kind) for _ in range(size)]

    def _byte(self) -> int:
        found = self._data[self._at]
        self._at += 1
        return found

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def written(struct: Struct) -> bytes:
    """Returns the bytes of a struct."""
    out = bytearray()
    _struct(out, struct)
    return bytes(out)


def _struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for number, (kind, value) in struct.items():
        step = number - before
        before = number
        written_kind = (TRUE if value else FALSE) if kind in (TRUE, FALSE) else kind
        if 0 < step < 16:
            out.append(step << 4 | written_kind)
        else:
            out.append(written_kind)
            _zigzag(out, number)
        if kind not in (TRUE, FALSE):
            _value(out, kind, value)
    out.append(0)


def _value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _INTEGERS:
        _zigzag(out, value)
    elif kind == BINARY:
        _varint(out, len(value))
        out += value
    elif kind in (LIST, SET):
        _list(out, *value)
    elif kind == STRUCT:
        _struct(out, value)
    elif kind == I8:
        out.append(value)
    else:
        out += value


def _list(out: bytearray, kind: int, items: list[Any]) -> None:
    size = len(items)
    if size < 15:
        out.append(size << 4 | kind)
    else:
        out.append(0xF0 | kind)
        _varint(out, size)
    for item in items:
        if kind in (TRUE, FALSE):
            out.append(item)
        else:
            _value(out, kind, item)


def _varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _zigzag(out: bytearray, value: int) -> None:
    _varint(out, value << 1 if value >= 0 else (-value << 1) - 1)
