"""Single values of a record: their kind in words, an excerpt to show, and text or its exact refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from prefdata.errors import BadRecord

_JSON_KINDS: tuple[tuple[type, str], ...] = (
    (type(None), "null"),
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "an object"),
)


def kind(value: object) -> str:
    """Returns the JSON type of `value` in words, e.g. `a list`."""
    return next((name for known, name in _JSON_KINDS if isinstance(value, known)), "not JSON")


def excerpt(value: object) -> str:
    """Returns `value` as JSON text of at most 60 characters that every terminal can show."""
    written = json.dumps(value, ensure_ascii=False, default=repr)
    cut = written if len(written) <= 60 else written[:57] + "..."
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut)


def field(record: Mapping[str, Any], key: str, path: str = "$") -> Any:
    """Returns the value of `key`.

    Raises:
        BadRecord: `missing-field`.
    """
    if key not in record:
        found = excerpt(", ".join(map(str, record)))
        raise BadRecord("missing-field", f"there is no field '{key}', only {found}", path=path)
    return record[key]


def text(record: Mapping[str, Any], key: str, path: str = "$") -> str:
    """Returns the text in `key`, unchanged.

    Raises:
        BadRecord: `missing-field`, `null-text`, `non-text` or `invalid-unicode`.
    """
    return string(field(record, key, path), f"{path}.{key}")


def string(value: object, path: str) -> str:
    """Returns `value` if it is text that UTF-8 can hold.

    Raises:
        BadRecord: `null-text`, `non-text` or `invalid-unicode`.
    """
    if value is None:
        raise BadRecord("null-text", "null where text should be", path=path)
    if not isinstance(value, str):
        raise BadRecord("non-text", f"{excerpt(value)} is {kind(value)}, not text", path=path)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        message = f"half a surrogate pair (U+{ord(value[error.start]):04X}) at {error.start}"
        raise BadRecord("invalid-unicode", message, path=path) from error
    return value


def json_value(written: str, path: str) -> Any:
    """Returns what a JSON text says.

    Raises:
        BadRecord: `malformed-json`.
    """
    try:
        return json.loads(written)
    except (ValueError, RecursionError) as error:
        raise BadRecord("malformed-json", f"{excerpt(written)}: {error}", path=path) from error


def json_text(value: object, path: str) -> str:
    """Returns a nested value as compact JSON text; text that already is JSON stays as it is.

    Raises:
        BadRecord: `malformed-json` or `invalid-unicode`.
    """
    if isinstance(value, str):
        json_value(string(value, path), path)
        return value
    try:
        return _quick_json(value) or string(_ENCODER.encode(value), path)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRecord("malformed-json", f"{excerpt(value)}: {error}", path=path) from error


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_EXPONENT = re.compile(rb"e(?<=\de)-?\d")


def differs(encoded: bytes) -> bool:
    """Tells whether `json_text` may write otherwise what msgspec has encoded.

    NaN has become null, and 1e+16 is written 1e16.
    """
    return b"null" in encoded or _EXPONENT.search(encoded) is not None


def _quick_json(value: object) -> str | None:
    """Returns what `_ENCODER` would write, in a fifth of the time; None where it may differ."""
    try:
        encoded = msgspec.json.encode(value)
        return None if differs(encoded) else encoded.decode()
    except (msgspec.MsgspecError, OverflowError, UnicodeError, TypeError, RecursionError):
        return None
