"""Findings as something to read: one module renders one format, found by its file.

A renderer takes findings and yields text, piece by piece, newlines included. `View` holds what a
person or a terminal asks for; formats for programs ignore what is for people, and give everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from prefdata.config import FailOn
from prefdata.registry import Registry

if TYPE_CHECKING:
    from prefdata.findings import Findings


class View(Struct, frozen=True, kw_only=True):
    """How a person wants to see findings.

    Attributes:
        converted: the file that was checked if `prefdata curate` can read it, for the summary.
        max_per_rule: findings shown of each rule; 0 shows all.
        statistics: show counts and rates of every rule instead of single findings.
        fail_on: the level from which on findings are failures, for formats that know only these.
        width: columns of the terminal; None where lines must not be cut.
        colour: use ANSI colours.
    """

    converted: str | None = None
    max_per_rule: int = 5
    statistics: bool = False
    fail_on: FailOn = "error"
    width: int | None = None
    colour: bool = False


Renderer: TypeAlias = "Callable[[Findings, View], Iterator[str]]"

RENDERERS: Registry[Renderer] = Registry("output format", "prefdata.render")


def renderer(name: str) -> Callable[[Renderer], Renderer]:
    """Registers the decorated function as `--format NAME`."""

    def register(render: Renderer) -> Renderer:
        RENDERERS.add(name, render, render.__module__)
        return render

    return register
