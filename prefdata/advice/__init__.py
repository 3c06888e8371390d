"""From what is measured in a set to settings of a training, each with its reason.

One module is one topic: a function of the evidence that says what it measured, and which settings follow
from it, none if all is well. Where it cannot measure it says what is missing. Nothing here is certain;
each piece of advice is a run to try beside the plain one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from prefdata.registry import Registry
from prefdata.stats.intervals import wilson

if TYPE_CHECKING:
    from prefdata.checks import Evidence


class Advice(BaseModel):
    """What one topic has to say about a set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str
    measured: str = Field(description="what was found, or why it could not be measured")
    value: float | None = Field(None, description="the number behind it; null if not measured")
    low: float | None = Field(None, description="lower end of its 95 % interval")
    high: float | None = Field(None, description="upper end")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="keys of a run file and their values; none: leave it"
    )
    reason: str = Field("", description="why these settings")
    source: str = Field("", description="the paper behind them")


def on_share(advice: Advice, hits: int, total: int, *, worth_it: float) -> Advice:
    """Returns `advice` with the share it rests on, and without its settings where that may be too small.

    Args:
        advice: what follows from a large share; `measured` is what was counted, without the interval.
        hits: pairs that were counted.
        total: pairs that were looked at.
        worth_it: the share that the lower end of the 95 % interval has to exceed.
    """
    low, high = wilson(hits, total)
    found = {
        "measured": f"{advice.measured} (95 % CI {low:.1%} to {high:.1%})",
        "value": hits / total,
        "low": low,
        "high": high,
    }
    nothing = {"settings": {}, "reason": "", "source": ""}
    return advice.model_copy(update=found | (nothing if low <= worth_it else {}))


Adviser: TypeAlias = "Callable[[Evidence], Advice]"

ADVISERS: Registry[Adviser] = Registry("adviser", "prefdata.advice")


def adviser(topic: str) -> Callable[[Adviser], Adviser]:
    """Registers a function that advises on `topic`."""

    def register(advise: Adviser) -> Adviser:
        ADVISERS.add(topic, advise, advise.__module__)
        return advise

    return register


def advise(data: Evidence, progress: Callable[[str], None] = lambda _: None) -> Iterator[Advice]:
    """Yields what every topic says about a set, topics in alphabetical order.

    Args:
        data: the pairs, and what else is known: ties with their votes, scores of models.
        progress: called with each topic before it is looked at.
    """
    for topic in sorted(ADVISERS.names()):
        progress(topic)
        yield ADVISERS.get(topic)(data)
