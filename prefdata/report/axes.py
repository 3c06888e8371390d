"""What charts share: their frame, axes from values to SVG user units, and the round numbers to mark on them."""

from __future__ import annotations

import math
from typing import NamedTuple


class Tick(NamedTuple):
    """A mark on an axis."""

    at: float
    text: str


class Scale(NamedTuple):
    """A linear map from values to positions; `start` may lie beyond `end` (y grows downwards)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Returns the position of `value`, to a tenth of a unit."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


class Frame(NamedTuple):
    """The texts above a chart, its size, and the edges of its plot."""

    title: str
    note: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    def across(self, low: float, high: float) -> Scale:
        """Returns the axis from the left edge to the right one."""
        return Scale(low, high, self.left, self.right)

    def up(self, low: float, high: float) -> Scale:
        """Returns the axis from the bottom edge to the top one."""
        return Scale(low, high, self.bottom, self.top)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Returns about `count` round numbers from `low` to `high`, 1, 2, 2.5 or 5 times ten apart."""
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]
