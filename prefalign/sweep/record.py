"""What a sweep leaves behind: `sweep.json`, from which its page is drawn."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prefalign.comparison.record import Comparison, Run

SWEEP_FILE = "sweep.json"
SWEEP_PAGE = "sweep.html"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Outcome(_Part):
    """One trial of the grid, and how it ended."""

    name: str = Field(description="of the run directory, and of the run in the comparison")
    group: str = Field(description="the run file it started from")
    method: str
    settings: dict[str, Any] = Field(description="the settings that were varied in this run file")
    needs_reference: bool | None = Field(
        None, description="the loss reads a reference's log-probs; null: not recorded"
    )
    failure: str | None = Field(None, description="why it has no results; null if it has")


class Sweep(_Part):
    """A grid of runs on the same tokens."""

    version: Literal[1] = 1
    outcomes: list[Outcome]
    comparison: Comparison | None = Field(description="of the finished runs; null without any")

    def measured(self, group: str | None = None) -> list[tuple[Outcome, Run]]:
        """Returns the finished trials with their results, best first.

        Args:
            group: only those of this run file.
        """
        if self.comparison is None:
            return []
        runs = {run.name: run for run in self.comparison.trained}
        found = [
            (outcome, runs[outcome.name])
            for outcome in self.outcomes
            if outcome.failure is None and group in (None, outcome.group)
        ]
        return sorted(found, key=lambda both: -both[1].metrics.accuracy_reference.value)

    def best_of(self, *, reference: bool) -> tuple[Outcome, Run] | None:
        """Returns the best finished trial of those whose loss needs a reference, or of the others."""
        found = self.measured()
        return next((both for both in found if both[0].needs_reference is reference), None)

    @property
    def groups(self) -> list[str]:
        """Returns the run files in the order they were given."""
        return list(dict.fromkeys(outcome.group for outcome in self.outcomes))
