"""Rows for a terminal: in colour, or with marks that do without."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePath
from typing import Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prefdata.render.pair import printable
from prefdata.render.tokens import ComparisonView, PairView, PartView, SideView, Span, TokenView
from prefdata.render.tokens.words import (
    counted,
    counted_side,
    run_line,
    shortened,
    sides_line,
    verdict,
)

_WIDTH = 100
_LONGEST = 600  # characters of a stretch that are shown
_NAME = 24  # characters of a file and row in a table
_INDENT = (0, 0, 0, 2)
_STYLES = {"prompt": "dim", "chosen": "", "rejected": ""}
_HEADS = {"prompt": "bold", "chosen": "bold green", "rejected": "bold red"}
_DIFFERS = {"chosen": "bold green underline", "rejected": "bold red underline"}
_MARKS = {"chosen": ("{+", "+}"), "rejected": ("[-", "-]")}
_SPECIAL, _CUT, _WRONG = "magenta", "yellow strike", "bold yellow"
_CUT_MARK = "~~"
_BREAK = "⏎\n"
_LEGEND = "⟦special token⟧  ~~cut~~  {+only in chosen+}  [-only in rejected-]  ⏎ line break"

Part = Literal["prompt", "chosen", "rejected"]


def as_text(view: TokenView, *, colour: bool, full: bool = False, width: int = _WIDTH) -> str:
    """Returns rows as text.

    Args:
        view: the rows.
        colour: with ANSI colours; without, marks stand around what is cut, special or different.
        full: show long texts whole.
        width: characters of a line.
    """
    console = _console(colour=colour, width=width)
    console.print(Text(printable(run_line(view.run)), style="bold"))
    console.print(_coloured_legend() if colour else Text(_LEGEND))
    for pair in view.pairs:
        console.print()
        _print_pair(console, pair, colour=colour, full=full)
    console.print()
    console.print(Text(f"{len(view.pairs):,} of {view.total:,} pairs"))
    return _written(console)


def comparison_text(view: ComparisonView, rows: int, *, colour: bool, width: int = _WIDTH) -> str:
    """Returns the first `rows` rows on which two trainers disagree, and a table of all ways."""
    console = _console(colour=colour, width=width)
    console.print(Text(printable(run_line(view.run)), style="bold"))
    for row in view.rows[:rows]:
        console.print()
        console.print(Text(f"{printable(row.file)}:{row.row}  {row.id}"))
        for found in row.differences:
            line = Text("  ").append(found.name, _WRONG)
            line.append(f"  {found.trainer}: {printable(found.detail)}")
            console.print(line)
    if len(view.rows) > rows > 0:
        console.print(Text(f"\n  and {len(view.rows) - rows:,} more rows"))
    console.print()
    if view.summary:
        console.print(_summary(view))
        console.print()
    console.print(Text(verdict(view), style="bold"))
    return _written(console)


def _console(*, colour: bool, width: int) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def _written(console: Console) -> str:
    written = console.file
    assert isinstance(written, io.StringIO)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"


def _coloured_legend() -> Text:
    parts = [
        ("prompt", _STYLES["prompt"]),
        ("special token", _SPECIAL),
        ("cut", _CUT),
        ("only in chosen", _DIFFERS["chosen"]),
        ("only in rejected", _DIFFERS["rejected"]),
    ]
    return Text("  ").join(Text(word, style) for word, style in parts)


def _print_pair(console: Console, pair: PairView, *, colour: bool, full: bool) -> None:
    head = Text(f"{printable(pair.file)}:{pair.row}  {pair.id}", style="bold")
    console.print(head)
    if pair.refused is not None:
        console.print(
            Text(f"  the trainer cannot take this row: {printable(pair.refused)}", _WRONG)
        )
        return
    assert pair.chosen is not None
    assert pair.rejected is not None
    if pair.dropped:
        console.print(Text(f"  not trained on: {pair.dropped}", _WRONG))
    for note in pair.notes:
        console.print(Text(f"  {note}", _WRONG))
    for title, name, part in _parts(pair.chosen, pair.rejected, one_prompt=pair.one_prompt):
        console.print(Text(title, _HEADS[name]))
        body = _body(part, name, colour=colour, full=full)
        console.print(Padding(body, _INDENT))
    console.print(Text(sides_line(pair), "dim"))


def _parts(
    chosen: SideView, rejected: SideView, *, one_prompt: bool
) -> Iterator[tuple[str, Part, PartView]]:
    """Yields title, kind and content of what is shown of a pair, from above."""
    of_chosen, of_rejected = ("", "") if one_prompt else (" of chosen", " of rejected")
    yield f"prompt{of_chosen}: {counted(chosen.prompt)}", "prompt", chosen.prompt
    yield f"chosen: {counted_side(chosen)}", "chosen", chosen.completion
    if not one_prompt:
        yield f"prompt{of_rejected}: {counted(rejected.prompt)}", "prompt", rejected.prompt
    yield f"rejected: {counted_side(rejected)}", "rejected", rejected.completion


def _body(part: PartView, name: Part, *, colour: bool, full: bool) -> Text:
    if not part.ids:
        return Text("(empty)", "italic")
    body = Text(style=_STYLES[name], overflow="fold")
    for cut, run in groupby(shortened(part.spans, _LONGEST, full=full), key=lambda span: span.cut):
        mark = _CUT_MARK if cut and not colour else ""
        body.append(mark)
        for span in run:
            text = span.text.replace("\n", _BREAK)
            body.append(text if colour else _marked(span, text, name), _style(span, name))
        body.append(mark)
    body.rstrip()
    return body


def _style(span: Span, name: Part) -> str:
    if span.cut:
        return f"{_CUT} underline" if span.differs else _CUT
    if span.special:
        return _SPECIAL
    return _DIFFERS.get(name, "") if span.differs else ""


def _marked(span: Span, text: str, name: Part) -> str:
    """Returns text between the marks of what it is."""
    if span.special:
        return f"⟦{text}⟧"
    return text.join(_MARKS[name]) if span.differs and name in _MARKS else text


def _summary(view: ComparisonView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("difference", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("in", no_wrap=True)
    table.add_column("first at", no_wrap=True)
    table.add_column("meaning", overflow="fold")
    for tally in view.summary:
        first = Text(_ending(printable(PurePath(tally.first).name)))
        table.add_row(tally.name, f"{tally.rows:,}", tally.trainer, first, tally.meaning)
    return table


def _ending(name: str) -> str:
    """Returns a name short enough for a column; its row stands at its end."""
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"
