"""Canonical messages to the text that a tokenizer's chat template makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from prefdata.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Conversation: TypeAlias = list[dict[str, Any]]


class PairTexts(NamedTuple):
    """A pair as text, special tokens included."""

    prompt: str  # with the generation prompt
    chosen: str  # prompt and completion
    rejected: str  # prompt and completion


# arguments of apply_chat_template that decide what is rendered, so no row may set them
_RESERVED = ("add_generation_prompt", "continue_final_message", "return_dict", "tokenize")


def conversation(messages: Iterable[Mapping[str, Any]]) -> Conversation:
    """Returns messages as templates expect them: no null keys, tool calls as objects.

    >>> conversation([{"role": "user", "content": "Hi", "name": None}])
    [{'role': 'user', 'content': 'Hi'}]
    """
    return [_decoded(message) for message in messages]


def _decoded(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in message.items() if value is not None}
    if "tool_calls" in kept:
        kept["tool_calls"] = json.loads(kept["tool_calls"])
    return kept


def template_arguments(tools: str | None, chat_template_kwargs: str | None) -> dict[str, Any]:
    """Returns what a row gives its template besides the messages, from the two JSON columns."""
    extra = json.loads(chat_template_kwargs) if chat_template_kwargs else {}
    reserved = [name for name in _RESERVED if name in extra]
    if reserved:
        raise InputError(f"chat_template_kwargs may not set {reserved[0]}")
    return {"tools": json.loads(tools) if tools else None, **extra}


def apply_template(
    tokenizer: PreTrainedTokenizerBase,
    messages: Conversation,
    arguments: Mapping[str, Any],
    *,
    generation_prompt: bool = False,
) -> str:
    """Returns the text of a conversation, special tokens included.

    Raises:
        InputError: the template refuses the messages.
    """
    if not messages:
        raise InputError("the prompt is empty; a template needs a message before the completion")
    try:
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=generation_prompt, **arguments
        )
    # templates are programs of strangers: they raise jinja's errors and any of Python's
    except Exception as error:
        raise InputError(str(error) or type(error).__name__) from error
    return str(text)


def pair_texts(
    tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], known_prompt: str | None = None
) -> PairTexts:
    """Returns the three texts of a canonical row.

    Args:
        tokenizer: from `load_tokenizer`.
        row: `prompt`, `chosen`, `rejected`, `tools` and `chat_template_kwargs` of a pair.
        known_prompt: the text of its prompt, if it has been rendered before.

    Raises:
        InputError: the template refuses the messages.
    """
    arguments = template_arguments(row["tools"], row["chat_template_kwargs"])
    prompt, chosen, rejected = (
        conversation(row[side]) for side in ("prompt", "chosen", "rejected")
    )
    if known_prompt is None:
        known_prompt = apply_template(tokenizer, prompt, arguments, generation_prompt=True)
    return PairTexts(
        known_prompt,
        apply_template(tokenizer, prompt + chosen, arguments),
        apply_template(tokenizer, prompt + rejected, arguments),
    )


def renders_tools(
    tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], rendered_prompt: str
) -> bool:
    """Returns whether a prompt is another text without its tools, or nothing at all."""
    arguments = template_arguments(None, row["chat_template_kwargs"])
    try:
        bare = apply_template(
            tokenizer, conversation(row["prompt"]), arguments, generation_prompt=True
        )
    except InputError:
        return True
    return bare != rendered_prompt
