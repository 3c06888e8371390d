"""Reports on pairs from few words, and what a page holds, for tests."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import polars as pl

from prefdata.checks import Evidence, indexed
from prefdata.io.manifest import Counts
from prefdata.lint import examine
from prefdata.report.collect import Making, collect
from prefdata.report.model import Report

FETCHING = {"script", "link", "iframe", "object", "embed", "img", "base", "form", "video", "audio"}


def report_on(pairs: pl.DataFrame, select: list[str] | None = None, **surroundings: Any) -> Report:
    evidence = Evidence(pairs=indexed(pairs), **surroundings)
    findings = examine(evidence, select=select)
    making = Making(
        command=["prefdata", "report", "t.jsonl"],
        sources=("t.jsonl",),
        settings={},
        counts=Counts(rows=pairs.height, paired=pairs.height, pairs=pairs.height),
        layout=[],
        reasons={},
    )
    return collect(evidence, findings, making)


class Outline(HTMLParser):
    """Tags, the attributes that run or fetch, headings and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.headings: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] | None = None
        self.feed(page)
        self.close()

    @property
    def fetched(self) -> list[str]:
        names = ("src", "href", "xlink:href", "srcset", "action", "data", "poster", "background")
        return [v or "" for n, v in self.attributes if n in names and not (v or "").startswith("#")]

    @property
    def handlers(self) -> list[str]:
        return [name for name, _ in self.attributes if name.startswith("on")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("h1", "h2", "h3", "figcaption"):
            self.headings.append("")
            self._open = self.headings
        elif "text" in (dict(attrs).get("class") or "").split():
            self.texts.append("")
            self._open = self.texts

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "h1", "h2", "h3", "figcaption"):
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open[-1] += data
