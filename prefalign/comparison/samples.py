"""What each model writes for some of the held-out prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prefalign.comparison.finished import FinishedRun, models
from prefalign.comparison.record import Sample, Turn
from prefalign.progress import Reporter

if TYPE_CHECKING:
    import polars as pl

_AT_ONCE = 16  # prompts that a model completes together


def write_samples(
    runs: list[FinishedRun], pairs: pl.DataFrame | None, number: int, reporter: Reporter
) -> list[Sample]:
    """Returns greedy completions of up to `number` prompts by the untouched model and every run.

    Args:
        runs: whose models write.
        pairs: held-out pairs; None, if their texts are gone, gives no samples.
        number: of prompts.
        reporter: who hears of progress.
    """
    if pairs is None or number == 0:
        return []
    from prefalign.models.tokenizer import tokenizer_of

    chosen = spread(pairs, number)
    tokenizer = tokenizer_of(runs[0].base)
    completions = _completions(runs, chosen, tokenizer, reporter)

    def counts(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return [
        Sample(
            id=pair["id"],
            prompt=[
                Turn(role=turn["role"], content=turn["content"] or "") for turn in pair["prompt"]
            ],
            chosen=_text(pair["chosen"]),
            rejected=_text(pair["rejected"]),
            completions={name: texts[place] for name, texts in completions.items()},
            tokens={name: counts(texts[place]) for name, texts in completions.items()},
        )
        for place, pair in enumerate(chosen.iter_rows(named=True))
    ]


def spread(pairs: pl.DataFrame, number: int) -> pl.DataFrame:
    """Returns up to `number` pairs of different prompts, evenly spread over the set."""
    distinct = pairs.unique("prompt_id", keep="first", maintain_order=True)
    count = min(number, distinct.height)
    return distinct[[place * distinct.height // count for place in range(count)]]


def _completions(
    runs: list[FinishedRun], pairs: pl.DataFrame, tokenizer: Any, reporter: Reporter
) -> dict[str, list[str]]:
    from prefalign.comparison.generate import complete
    from prefalign.models.loading import autocast

    prompts = _prompts(tokenizer, pairs)
    reporter.begin("writing samples", len(runs) + 1, "models")
    completions = {}
    for name, model, record in models(runs):
        with autocast(model.device, record.precision):
            completions[name] = [
                text
                for start in range(0, len(prompts), _AT_ONCE)
                for text in complete(model, tokenizer, prompts[start : start + _AT_ONCE])
            ]
        reporter.advance(1, note=name)
    return completions


def _prompts(tokenizer: Any, pairs: pl.DataFrame) -> list[list[int]]:
    from prefdata.tokens import render_frame

    rendered = render_frame(tokenizer, pairs)
    prompts: list[list[int]] = rendered["prompt_ids"].to_pylist()
    return prompts


def _text(messages: Sequence[Mapping[str, Any]]) -> str:
    return "\n\n".join(message["content"] or "" for message in messages)
