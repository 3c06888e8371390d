"""LLaMA-Factory, asked itself: its converter, its template and its processor of ranked rows."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdata.errors import InputError
from prefdata.tokens.trainers import (
    Build,
    MissingLibrary,
    Part,
    Row,
    Seen,
    Settings,
    Side,
    trainer,
)
from prefdata.tokens.trainers.written import written

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_NO_LABEL = -100
_NO_LIMIT = 2**31 - 1
_SIDES = ("chosen", "rejected")


@trainer("llamafactory", truncations=("shared",), variant="TEMPLATE")
def llama_factory(tokenizer: PreTrainedTokenizerBase, settings: Settings) -> Build:
    """The installed LLaMA-Factory, on the sharegpt rows that `prefdata export` writes.

    - TEMPLATE is one of its own; the tokenizer's chat template is not used
    - max_length is its cutoff_len, shared between prompt and completion by their lengths; it cuts
      the end of both, so the last question of a prompt goes first
    - a row that its converter does not understand is emptied and dropped

    Source: llamafactory/data/processor/pairwise.py, processor_utils.py (infer_seqlen).
    """
    name = f"llamafactory:{settings.variant}"
    whole, cut = (
        _processor(name, deepcopy(tokenizer), settings.variant, length)
        for length in (_NO_LIMIT, settings.max_length or _NO_LIMIT)
    )

    def build(row: Row) -> Seen:
        example = whole.convert(written("llama-factory", row))
        before, after = whole.encode(example), cut.encode(example)
        if before is None or after is None:
            nothing = Side(Part([], range(0)), Part([], range(0)))
            return Seen(nothing, nothing, dropped="its converter empties this row")
        sides = [_side(*before[side], *after[side]) for side in _SIDES]
        return Seen(sides[0], sides[1])

    return build


class _Processor:
    """LLaMA-Factory's steps from a row to token ids, at one cutoff_len."""

    def __init__(self, converter: Any, pairwise: Any) -> None:
        self._converter = converter
        self._pairwise = pairwise

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns the row as its processor takes it."""
        found: dict[str, Any] = self._converter(row)
        return found

    def encode(self, example: dict[str, Any]) -> dict[str, tuple[list[int], list[int]]] | None:
        """Returns prompt and completion ids of each side; None where the row is dropped."""
        batch = self._pairwise.preprocess_dataset({key: [item] for key, item in example.items()})
        if not batch:
            return None
        found = {}
        for side in _SIDES:
            (ids,), (labels,) = batch[f"{side}_input_ids"], batch[f"{side}_labels"]
            start = sum(label == _NO_LABEL for label in labels)
            found[side] = ids[:start], ids[start:]
        return found


def _processor(name: str, tokenizer: Any, template: str, length: int) -> _Processor:
    try:
        from llamafactory.data.converter import SharegptDatasetConverter
        from llamafactory.data.parser import DatasetAttr
        from llamafactory.data.processor.pairwise import PairwiseDatasetProcessor
        from llamafactory.data.template import get_template_and_fix_tokenizer
        from llamafactory.hparams import DataArguments
    # its imports fail in many ways: a library that it needs, or one that is too new for it
    except Exception as error:
        raise MissingLibrary(name, "llamafactory", str(error)) from error
    from prefdata.exporters.llama_factory import dataset_info

    (entry,) = json.loads(dataset_info(Path("rows.json")).text).values()
    attributes = DatasetAttr("file", "rows.json")
    attributes.join(entry)
    arguments = DataArguments(template=template, cutoff_len=length)
    try:
        chosen = get_template_and_fix_tokenizer(tokenizer, arguments)
    except ValueError as error:
        raise InputError(
            f"{name}: {error}", hint="its templates: llamafactory/data/template.py"
        ) from error
    pairwise = PairwiseDatasetProcessor(
        template=chosen, tokenizer=tokenizer, processor=None, data_args=arguments
    )
    return _Processor(SharegptDatasetConverter(attributes, arguments), pairwise)


def _side(
    prompt: list[int], completion: list[int], kept_prompt: list[int], kept: list[int]
) -> Side:
    return Side(Part(prompt, range(len(kept_prompt))), Part(completion, range(len(kept))))
