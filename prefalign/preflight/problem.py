"""One thing that keeps a run from starting."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong with a setting, seen against the machine and the files it names.

    Attributes:
        key: the setting, as in `data.train`.
        text: what is wrong.
        hint: what to do about it.
    """

    key: str
    text: str
    hint: str | None = None
