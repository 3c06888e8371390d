"""What a step of a plan is: the columns that it decides by, and its decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from prefdata.registry import Registry

if TYPE_CHECKING:
    import polars as pl

Keys: TypeAlias = "dict[str, pl.Expr]"


class Step(BaseModel):
    """One step of a plan, with its settings; the subclasses are the modules of `curate.steps`.

    A step sees no text, but for those that say so (`by_text`). `keys` says, row by row and so in any batch, which few bytes of a pair it
    decides by; `reasons` decides over those of all pairs. Nothing but those bytes has to be in one
    place at one time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: str

    @property
    def lasting(self) -> bool:
        """Tells whether the step keeps all of any part of what it has kept.

        A cap does: fewer pairs are still few enough. A balance does not: a later step may upset it.
        """
        return True

    @property
    def by_text(self) -> bool:
        """Tells whether the step decides by whole texts, so that all of them are its keys."""
        return False

    @property
    def by_place(self) -> bool:
        """Tells whether the step looks at the source, the file and the row of a pair."""
        return False

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns the columns to decide by: name -> an expression over the rows of `columns`.

        Steps share what they call by the same name, which therefore always means the same.
        """
        raise NotImplementedError

    def settled(self, keys: pl.DataFrame) -> Step:  # noqa: ARG002 - most thresholds are absolute
        """Returns the step with its relative thresholds (quantiles) replaced by those of `keys`."""
        return self

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns for each row why it goes (String or Enum), or null where it stays.

        Args:
            keys: the columns of `keys`, `id` and, for steps `by_place`, the others of
                `prefdata.curate.keys.PLACE`, in the order of the places. So "first" means the
                same however the rows of the set lie.
        """
        raise NotImplementedError


STEPS: Registry[type[Step]] = Registry("step", "prefdata.curate.steps")

S = TypeVar("S", bound=type[Step])


def step(name: str) -> Callable[[S], S]:
    """Registers a step under the name that plans call it by."""

    def register(kind: S) -> S:
        STEPS.add(name, kind, kind.__module__)
        return kind

    return register


def removed_where(goes: pl.Expr, keys: pl.DataFrame, reason: str) -> pl.Series:
    """Returns `reason` for the rows where `goes` is true, null elsewhere."""
    import polars as pl

    why = pl.Enum([reason])  # a byte a row
    gone: Any = pl.when(goes.fill_null(value=False)).then(pl.lit(reason, why))
    return keys.select(reason=gone.otherwise(pl.lit(None, why)))["reason"]


def removed_unless(stays: pl.Expr, keys: pl.DataFrame, reason: str, *, missing: str) -> pl.Series:
    """Returns `reason` for the rows where `stays` is false, `missing` where it is null, else null."""
    import polars as pl

    why = pl.Enum([reason, missing])
    gone: Any = pl.when(stays.is_null()).then(pl.lit(missing, why))
    gone = gone.when(~stays).then(pl.lit(reason, why))
    return keys.select(reason=gone.otherwise(pl.lit(None, why)))["reason"]
