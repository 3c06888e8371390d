"""What a chat template changes in the messages it renders, found in the text it writes."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_END_OF_THOUGHT = "</think>"


def rewritten(messages: Iterable[Mapping[str, Any]], text: str, prompt: str) -> str | None:
    """Returns what the template does to a completion's assistant turns; None where they stay.

    Args:
        messages: canonical messages of the completion, with or without their null fields.
        text: prompt and completion, rendered.
        prompt: the prompt, rendered with the generation prompt.

    Examples:
        >>> said = [{"role": "assistant", "content": "Blue. "}]
        >>> rewritten(said, "<user>A colour?<model>Blue.<end>", "<user>A colour?<model>")
        'loses white space at its edges'
        >>> rewritten(said, "<user>A colour?<model>Blue. <end>", "<user>A colour?<model>") is None
        True
    """
    completion = shared_length(prompt, text)
    changes = (
        change
        for message in messages
        if message["role"] == "assistant"
        for change in _changes(message, text, completion)
    )
    return next(changes, None)


def shared_length(a: str, b: str) -> int:
    """Returns how many characters two texts share from their start, in log2(len) comparisons."""
    if b.startswith(a):
        return len(a)
    return bisect_left(range(len(a)), x=True, key=lambda end: not b.startswith(a[: end + 1]))


def _changes(message: Mapping[str, Any], text: str, completion: int) -> Iterator[str]:
    content, thinking = message.get("content") or "", (message.get("thinking") or "").strip()
    if not _ends_in(content, text, completion):
        yield _change(content, text, completion)
    if not _ends_in(thinking, text, completion):
        yield "loses its thinking"
    if message.get("tool_calls"):
        yield from _call_changes(json.loads(message["tool_calls"]), text[completion:])


def _ends_in(part: str, text: str, completion: int) -> bool:
    """Returns whether `part` stands in `text` and ends in the completion.

    It may begin before: a generation prompt that opens a thought writes the first words of an
    answer that holds one.
    """
    return not part or text.find(part, max(0, completion - len(part) + 1)) >= 0


def _change(content: str, text: str, completion: int) -> str:
    answer = content.rpartition(_END_OF_THOUGHT)[2].strip()
    if _ends_in(content.strip(), text, completion):
        return "loses white space at its edges"
    if _ends_in(_squeezed(content), _squeezed(text), len(_squeezed(text[:completion]))):
        return "has other white space"
    if _END_OF_THOUGHT in content and _ends_in(answer, text, completion):
        return "loses its thinking"
    return "is another text"


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _call_changes(calls: list[Any], text: str) -> Iterator[str]:
    for call in calls:
        function = call.get("function", call)
        arguments = function.get("arguments")
        if str(function.get("name", "")) not in text:
            yield "loses its tool calls"
        elif isinstance(arguments, str) and _is_quoted(arguments, text):
            yield "has tool-call arguments as a quoted string"
        elif not all(_is_written(leaf, text) for leaf in _leaves(_decoded(arguments))):
            yield "has other tool-call arguments"


def _is_quoted(arguments: str, text: str) -> bool:
    """Returns whether JSON text was written as a JSON string: `"{\\"city\\": ...}"`."""
    quoted = json.dumps(arguments, ensure_ascii=False)
    return quoted[1:-1] != arguments and arguments.strip() not in text and quoted in text


def _decoded(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _leaves(value: Any) -> Iterator[str | int | float]:
    """Yields keys, texts and numbers of nested JSON; what true and null look like is up to templates."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value


def _is_written(leaf: str | float, text: str) -> bool:
    if not isinstance(leaf, str):
        return json.dumps(leaf) in text
    escaped = (json.dumps(leaf, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True))
    return leaf.strip() in text or any(form in text for form in escaped)
