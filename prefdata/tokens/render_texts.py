"""Batches of canonical pairs to the texts that a chat template makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from prefdata.errors import InputError
from prefdata.tokens.render_skeleton import Skeletons
from prefdata.tokens.template import Conversation, PairTexts, pair_texts

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedTokenizerBase

COLUMNS = (
    *("id", "prompt_id", "prompt", "chosen", "rejected", "tools", "chat_template_kwargs"),
    *("file", "row"),
)
_PLAIN = {"role", "content"}
_SIDES = ("prompt", "chosen", "rejected")
_SHOWN = 5  # refused rows named in a message
_REMEMBERED = 16_384  # prompts: pairs of one prompt are near each other


class TextRenderer:
    """Renders batches of pairs, each distinct prompt once as long as it is remembered.

    Args:
        tokenizer: from `load_tokenizer`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._skeletons = Skeletons(tokenizer)
        self._prompts: dict[tuple[str, str | None], str] = {}

    def texts(self, part: pl.DataFrame) -> list[PairTexts]:
        """Returns the three texts of every pair.

        Args:
            part: the columns `COLUMNS` of canonical pairs.

        Raises:
            InputError: the template refuses some rows; the message names them.
        """
        attempts = self.attempts(part)
        texts = [attempt for attempt in attempts if isinstance(attempt, PairTexts)]
        if len(texts) < len(attempts):
            places = part.select("file", "row", "id").iter_rows()
            raise _refusal(
                [
                    f"{file}:{number} ({id_}): {attempt.message}"
                    for (file, number, id_), attempt in zip(places, attempts, strict=True)
                    if isinstance(attempt, InputError)
                ]
            )
        return texts

    def attempts(self, part: pl.DataFrame) -> list[PairTexts | InputError]:
        """Returns the three texts of every pair, or why the template refuses it."""
        if len(self._prompts) > _REMEMBERED:
            self._prompts.clear()
        attempts: list[PairTexts | InputError] = []
        messages = zip(*(conversations(part[side]) for side in _SIDES), strict=True)
        about = part.select("prompt_id", "tools", "chat_template_kwargs").iter_rows(named=True)
        for row, sides in zip(about, messages, strict=True):
            try:
                attempts.append(self._pair(row, *sides))
            except InputError as error:
                attempts.append(error)
        return attempts

    def _pair(
        self,
        row: Mapping[str, Any],
        prompt: Conversation,
        chosen: Conversation,
        rejected: Conversation,
    ) -> PairTexts:
        key = (row["prompt_id"], row["chat_template_kwargs"])
        known = self._prompts.get(key)
        plain = all(map(_is_plain, chain(prompt, chosen, rejected)))
        if plain and prompt and not (row["tools"] or row["chat_template_kwargs"]):
            render = self._skeletons.render
            texts = PairTexts(
                known if known is not None else render(prompt, generation_prompt=True),
                render(prompt + chosen, generation_prompt=False),
                render(prompt + rejected, generation_prompt=False),
            )
        else:
            sides = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
            texts = pair_texts(self._tokenizer, {**row, **sides}, known)
        self._prompts[key] = texts.prompt
        return texts


def _is_plain(message: Mapping[str, Any]) -> bool:
    return message.keys() == _PLAIN


def conversations(column: pl.Series) -> list[Conversation]:
    """Returns every list of messages of a column, each message without its null fields."""
    ends = np.concatenate([[0], column.list.len().cum_sum().to_numpy()]).tolist()
    flat = column.filter(column.list.len() > 0).explode().struct.unnest()
    fields = {name: flat[name].to_list() for name in flat.columns if not _all_null(flat[name])}
    messages = [
        dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)
    ]
    if any(flat[name].null_count() for name in fields):
        messages = [{k: v for k, v in message.items() if v is not None} for message in messages]
    return [messages[start:end] for start, end in pairwise(ends)]


def _all_null(column: pl.Series) -> bool:
    return column.null_count() == len(column)


def _refusal(refused: Sequence[str]) -> InputError:
    shown = "\n  ".join(refused[:_SHOWN])
    more = f"\n  and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    return InputError(
        f"the chat template refuses {len(refused)} pairs:\n  {shown}{more}",
        hint="take these rows out, change their messages to what the template accepts, or use "
        "another model's template",
    )
