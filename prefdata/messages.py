"""Text and conversations as sources write them, read into `Message` records.

Sources agree on little: `role`/`content` or `from`/`value`, a dozen names for three roles, content as
text or as a list of parts, and nulls that Arrow put where a row had no such key. All of that is read
here and only here. Text is taken as it is; what a message holds beyond `Message` is never dropped:
`unread` returns it, by its path, for `meta`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from prefdata.errors import BadRecord
from prefdata.types import Message, Messages, Role

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("system",), "system"),
    **dict.fromkeys(("developer",), "developer"),
    **dict.fromkeys(("user", "human", "prompter", "customer"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt"), "assistant"),
    **dict.fromkeys(("tool", "observation", "function", "ipython", "tool_response"), "tool"),
}
_ROLE_KEYS = ("role", "from")
_CONTENT_KEYS = ("content", "value")
_PART_KEYS = ("text", "value")
_THINKING_KEYS = ("thinking", "reasoning_content")
_PLAIN_KEYS = ("name", "tool_calls", "tool_call_id")
_JSON_KINDS: tuple[tuple[type, str], ...] = (
    (type(None), "null"),
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "an object"),
)


class Split(NamedTuple):
    """Two conversations as the prompt they share and what follows it on each side."""

    prompt: Messages
    chosen: Messages
    rejected: Messages


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


def json_text(value: object, path: str) -> str:
    """Returns a nested value as compact JSON text; text that already is JSON stays as it is.

    Raises:
        BadRecord: `malformed-json` or `invalid-unicode`.
    """
    try:
        if isinstance(value, str):
            json.loads(string(value, path))
            return value
        encoded = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRecord("malformed-json", f"{excerpt(value)}: {error}", path=path) from error
    return string(encoded, path)


def user(content: str) -> Messages:
    """Returns a conversation of one user message."""
    return (Message(role="user", content=content),)


def assistant(content: str) -> Messages:
    """Returns a conversation of one assistant message."""
    return (Message(role="assistant", content=content),)


def prompt(value: object, path: str) -> Messages:
    """Returns text as one user message, or a message list as it is."""
    return conversation(value, path) if isinstance(value, list) else user(string(value, path))


def completion(value: object, path: str, *, after: Messages = ()) -> Messages:
    """Returns text as one assistant message, or a message list without the prompt it may repeat.

    Args:
        value: text or a list of messages.
        path: where it stands in the record.
        after: the prompt. Some sources put a copy of it before the completion; it is taken off.

    Raises:
        BadRecord: `empty-completion` for no message, `completion-not-assistant` if the first one is
            somebody else's, or what `conversation` raises.
    """
    if not isinstance(value, list):
        return assistant(string(value, path))
    found = conversation(value, path)
    repeated = bool(after) and found[: len(after)] == after
    return by_assistant(found[len(after) :] if repeated else found, path)


def by_assistant(completion: Messages, path: str) -> Messages:
    """Returns `completion` if the assistant begins it.

    Raises:
        BadRecord: `empty-completion` or `completion-not-assistant`.
    """
    if not completion:
        raise BadRecord("empty-completion", "a completion without a message", path=path)
    if completion[0].role != "assistant":
        found = f"the completion begins with a message of role {completion[0].role}"
        raise BadRecord("completion-not-assistant", found, path=path)
    return completion


def conversation(value: object, path: str) -> Messages:
    """Returns a list of message objects as `Message` records.

    Raises:
        BadRecord: what `message` raises, or `null-text` or `non-text` if it is no list.
    """
    if value is None:
        raise BadRecord("null-text", "null where messages should be", path=path)
    if not isinstance(value, list):
        found = f"{excerpt(value)} is {kind(value)}, not a list of messages"
        raise BadRecord("non-text", found, path=path)
    return tuple(message(item, f"{path}[{index}]") for index, item in enumerate(value))


def message(value: object, path: str) -> Message:
    """Returns one message object, `role`/`content` or `from`/`value`.

    Raises:
        BadRecord: `not-an-object`, `missing-field`, `unknown-role`, `null-text`, `non-text`,
            `invalid-unicode` or `malformed-json`.
    """
    if not isinstance(value, dict):
        found = f"{excerpt(value)} is {kind(value)}, not a message"
        raise BadRecord("not-an-object", found, path=path)
    calls = value.get("tool_calls")
    return Message(
        role=_role(value, path),
        content=_content(value, path, optional=bool(calls)),
        name=_optional(value, "name", path),
        tool_calls=json_text(calls, f"{path}.tool_calls") if calls else None,
        tool_call_id=_optional(value, "tool_call_id", path),
        thinking=_optional(value, _first(value, _THINKING_KEYS), path),
    )


def unread(value: object, path: str) -> dict[str, Any]:
    """Returns what a message or a list of messages holds that `message` does not read, by its path.

    Nulls are left out: Arrow gives every message every key of its column.

    >>> unread([{"role": "user", "content": "Hi", "weight": 0, "id": None}], "prompt")
    {'prompt[0].weight': 0}
    """
    if isinstance(value, list):
        found: dict[str, Any] = {}
        for index, item in enumerate(value):
            found |= unread(item, f"{path}[{index}]")
        return found
    return _unread_message(value, path) if isinstance(value, dict) else {}


def split_shared(chosen: Messages, rejected: Messages) -> Split:
    """Returns the messages that two whole conversations share as prompt, the others as completions.

    Each side keeps at least its last message, so two equal conversations are a pair of equal
    completions (which the rule `identical-pair` finds) and not an error.

    Raises:
        BadRecord: `empty-completion`, `no-shared-prompt`, or `transcripts-diverge` where they first
            differ in a turn that is not the assistant's.
    """
    limit = min(len(chosen), len(rejected)) - 1
    if limit < 0:
        side = "chosen" if not chosen else "rejected"
        raise BadRecord("empty-completion", "a conversation without messages", path=f"$.{side}")
    turns = zip(chosen[:limit], rejected[:limit], strict=True)
    shared = next((index for index, (a, b) in enumerate(turns) if a != b), limit)
    if shared == 0:
        raise BadRecord("no-shared-prompt", "chosen and rejected share no first message")
    for side, turn in (("chosen", chosen[shared]), ("rejected", rejected[shared])):
        if turn.role != "assistant":
            found = f"chosen and rejected first differ in a turn of role {turn.role}"
            raise BadRecord("transcripts-diverge", found, path=f"$.{side}[{shared}]")
    return Split(chosen[:shared], chosen[shared:], rejected[shared:])


def _first(value: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        if value.get(key) is not None:
            return key
    return keys[0]


def _optional(value: Mapping[str, Any], key: str, path: str) -> str | None:
    found = value.get(key)
    return None if found is None else string(found, f"{path}.{key}")


def _role(value: Mapping[str, Any], path: str) -> Role:
    key = _first(value, _ROLE_KEYS)
    written = text(value, key, path)
    role = _ROLES.get(written.lower())
    if role is None:
        known = ", ".join(sorted(_ROLES))
        found = f"the role {excerpt(written)} is none of {known}"
        raise BadRecord("unknown-role", found, path=f"{path}.{key}")
    return role


def _content(value: Mapping[str, Any], path: str, *, optional: bool) -> str | None:
    key = _first(value, _CONTENT_KEYS)
    content = value.get(key)
    if content is None and optional:
        return None
    if isinstance(content, list):
        return "".join(_part(part, f"{path}.{key}[{n}]") for n, part in enumerate(content))
    return text(value, key, path)


def _part(part: object, path: str) -> str:
    if not isinstance(part, dict):
        _refuse_part(part, path)
    if part.get("type") != "text":
        _refuse_part(part.get("type"), f"{path}.type")
    return text(part, _first(part, _PART_KEYS), path)


def _refuse_part(value: object, path: str) -> NoReturn:
    found = f"a content part of type {excerpt(value)}; only parts of type text can be read"
    raise BadRecord("non-text", found, path=path)


def _unread_message(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    content_key = _first(value, _CONTENT_KEYS)
    used = {_first(value, _ROLE_KEYS), content_key, _first(value, _THINKING_KEYS), *_PLAIN_KEYS}
    found = _others(value, used, path)
    parts = value.get(content_key)
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        if isinstance(part, dict):
            at = f"{path}.{content_key}[{index}]"
            found |= _others(part, {"type", _first(part, _PART_KEYS)}, at)
    return found


def _others(value: Mapping[str, Any], used: set[str], path: str) -> dict[str, Any]:
    return {f"{path}.{k}": v for k, v in value.items() if k not in used and v is not None}
