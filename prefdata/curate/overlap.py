"""Which pairs different recipes keep, and how far they agree: papers contradict each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from prefdata.curate.plan import Plan
from prefdata.curate.run import judge
from prefdata.errors import InputError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kept(_Part):
    """What one recipe keeps of a set."""

    name: str
    pairs: int
    share: float = Field(description="of the set")
    plan: Plan = Field(description="with the thresholds that were worked out from the set")


class Skipped(_Part):
    """A recipe that decides by scores which the set does not have."""

    name: str
    reason: str


class Agreement(_Part):
    """Two recipes, `one` before `other` in the order they were asked for."""

    one: str
    other: str
    both: int = Field(description="pairs that both keep")
    jaccard: float | None = Field(
        description="pairs that both keep over pairs that either keeps; null if neither keeps any"
    )
    by_chance: float | None = Field(
        description="the Jaccard index that two draws of these sizes have: above it the recipes agree"
    )


class Overlap(_Part):
    """Which pairs of one set several recipes keep."""

    version: int = 1
    pairs: int
    recipes: tuple[Kept, ...]
    agreements: tuple[Agreement, ...]
    skipped: tuple[Skipped, ...]


def overlap(keys: pl.DataFrame, plans: Mapping[str, Plan]) -> Overlap:
    """Judges a set by several plans.

    Args:
        keys: a side-car that has what all plans decide by; see `together`.
        plans: name -> plan.
    """
    found: list[Kept] = []
    skipped: list[Skipped] = []
    stays = []
    for name, plan in plans.items():
        try:
            verdict = judge(keys, plan)
        except InputError as error:
            skipped.append(Skipped(name=name, reason=f"{error.message}; {error.hint}"))
            continue
        stays.append(verdict.reasons.is_null().to_numpy())
        kept = int(stays[-1].sum())
        share = kept / keys.height if keys.height else 0.0
        found.append(Kept(name=name, pairs=kept, share=share, plan=verdict.plan))
    agreements = [
        _agreement(found[one], found[other], int(np.count_nonzero(stays[one] & stays[other])))
        for one in range(len(found))
        for other in range(one + 1, len(found))
    ]
    return Overlap(
        pairs=keys.height,
        recipes=tuple(found),
        agreements=tuple(agreements),
        skipped=tuple(skipped),
    )


def together(plans: Mapping[str, Plan]) -> Plan:
    """Returns the plan whose side-car has what each of `plans` decides by."""
    return Plan(steps=tuple(step for plan in plans.values() for step in plan.steps))


def _agreement(one: Kept, other: Kept, both: int) -> Agreement:
    either = one.pairs + other.pairs - both
    expected = one.share * other.share
    of = one.share + other.share - expected
    return Agreement(
        one=one.name,
        other=other.name,
        both=both,
        jaccard=both / either if either else None,
        by_chance=expected / of if of else None,
    )
