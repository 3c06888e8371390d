"""Whether the two sides of many pairs are nearly the same text."""

from __future__ import annotations

import numpy as np
import polars as pl

from prefdata.advice import Advice, adviser, on_share
from prefdata.checks import Evidence
from prefdata.near.conversations import answered

TOPIC = "small edits"
SIMILAR = 0.8  # normalised Indel similarity: one character of five differs
WORTH_IT = 0.2  # of the pairs
LEAST = 10  # pairs
SAMPLE = 5_000  # pairs measured, those with the lowest ids, which are hashes
_READ = 4_000  # characters of a side
_SFT = 0.2


@adviser(TOPIC)
def small_edits(data: Evidence) -> Advice:
    """Returns an added term of supervised fine-tuning where many sides differ by little."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cpdist

    if data.pairs.height < LEAST:
        return Advice(topic=TOPIC, measured=f"unknown: fewer than {LEAST} pairs")
    texts = data.pairs.sort("id").head(SAMPLE).select(**{side: _text(side) for side in _SIDES})
    chosen, rejected = (texts[side].to_list() for side in _SIDES)
    values = cpdist(chosen, rejected, scorer=Indel.normalized_similarity, dtype=np.float64)
    hits = int(np.count_nonzero(values >= SIMILAR))
    return on_share(
        Advice(
            topic=TOPIC,
            measured=f"in {hits / len(values):.1%} of {len(values):,} pairs the sides are the same to"
            f" {SIMILAR:.0%} or more",
            settings={"method.loss": {"sigmoid": 1.0, "sft": _SFT}},
            reason="what both sides share is pushed up and down at once, and chosen loses probability"
            " with rejected; a term of the chosen side's own likelihood holds it up",
            source="Llama 3, arXiv:2407.21783, section 4.1.4 (its weight); why: Smaug, arXiv:2402.13228",
        ),
        hits,
        len(values),
        worth_it=WORTH_IT,
    )


_SIDES = ("chosen", "rejected")


def _text(side: str) -> pl.Expr:
    return answered(side).list.join("\n").str.slice(0, _READ)
