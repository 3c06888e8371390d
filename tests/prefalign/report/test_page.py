"""The page: one file, nothing fetched, no script, and whatever data says is only text."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from prefalign.comparison.record import Comparison
from prefalign.metrics import Estimate, PairMetrics
from prefalign.report import charts, words
from prefalign.report.page import render
from prefalign.report.table import groups
from tests.prefalign.synthetic import comparison

ATTACK = "</p></style><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}&amp;\"'"


class Outline(HTMLParser):
    """Collects tags, the attributes that fetch, and the text of elements of a class."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.handlers: list[str] = []
        self.texts: list[str] = []
        self.headings: list[str] = []
        self._open: list[str] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.fetched += [f"{n}={v}" for n, v in attrs if n in ("src", "href", "xlink:href")]
        self.handlers += [name for name in named if name.startswith("on")]
        if "text" in (named.get("class") or "").split():
            self.texts.append("")
            self._open = self.texts
        elif tag in ("h1", "h2"):
            self.headings.append("")
            self._open = self.headings

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "h1", "h2"):
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open[-1] += data


def test_the_page_is_one_file_that_runs_and_fetches_nothing() -> None:
    page = render(comparison(text="Hello."))
    outline = Outline(page)
    assert outline.fetched == []
    assert outline.handlers == []
    assert not {"script", "link", "iframe", "object", "embed", "img", "base"} & set(outline.tags)
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert len(page.encode()) < 2_000_000
    assert outline.tags.count("svg") == 3 + 2 + 2 + 2  # accuracies, curves, losses, strata


def test_what_data_and_models_say_stays_text() -> None:
    names = ("<b>dpo</b>", "orpo' onload='x")
    outline = Outline(render(comparison(names, text=ATTACK)))
    assert outline.handlers == []
    assert not {"script", "img", "b"} & set(outline.tags)
    assert outline.texts[0].endswith(ATTACK)
    assert f"Shorter. {ATTACK}" in outline.texts
    assert "(nothing)" in outline.texts


def test_a_very_long_text_is_cut() -> None:
    page = render(comparison(text="word " * 400_000))
    assert len(page.encode()) < 2_000_000
    assert "\N{HORIZONTAL ELLIPSIS}" in page


def test_the_verdict_comes_first() -> None:
    shown = comparison()
    headings = Outline(render(shown)).headings
    assert headings[0] == words.verdict(shown)[0]
    assert headings[1:] == [
        "Which completion does each model prefer?",
        "All numbers",
        "During training",
        "Was it only length?",
        "What they write",
        "How this was made",
    ]


def test_the_page_is_a_function_of_the_json() -> None:
    shown = comparison(text="Hello.")
    assert render(Comparison.model_validate_json(shown.model_dump_json())) == render(shown)


def test_sections_without_data_are_left_out() -> None:
    shown = comparison()
    bare = shown.model_copy(
        update={
            "samples": [],
            "runs": [run.model_copy(update={"losses": [], "held_out": []}) for run in shown.runs],
        }
    )
    headings = Outline(render(bare)).headings
    assert "During training" not in headings
    assert "What they write" not in headings


def with_accuracies(*estimates: Estimate) -> Comparison:
    shown = comparison()
    runs = [
        run.model_copy(update={"metrics": _with_accuracy(run.metrics, estimate)})
        for run, estimate in zip(shown.trained, estimates, strict=True)
    ]
    return shown.model_copy(update={"runs": [shown.runs[0], *runs]})


def _with_accuracy(metrics: PairMetrics, estimate: Estimate) -> PairMetrics:
    return replace(metrics, accuracy_reference=estimate)


UP, DOWN, OPEN = Estimate(0.7, 0.6, 0.8), Estimate(0.3, 0.2, 0.4), Estimate(0.55, 0.45, 0.65)


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (UP, UP, "dpo and orpo both order held-out pairs better than the untouched model."),
        (
            UP,
            OPEN,
            "dpo orders held-out pairs better than the untouched model; orpo cannot be told from the"
            " untouched model on these pairs.",
        ),
        (
            UP,
            DOWN,
            "dpo orders held-out pairs better than the untouched model; orpo orders them worse than"
            " the untouched model.",
        ),
        (OPEN, OPEN, "dpo and orpo cannot be told from the untouched model on these pairs."),
        (DOWN, DOWN, "dpo and orpo both order held-out pairs worse than the untouched model."),
    ],
)
def test_the_verdict_says_what_the_intervals_say(
    first: Estimate, second: Estimate, sentence: str
) -> None:
    assert words.verdict(with_accuracies(first, second))[0] == sentence


def test_a_lead_is_claimed_only_where_its_interval_is_above_zero() -> None:
    shown = comparison()
    lead = shown.trained[1].against_best
    assert lead is not None
    assert lead.accuracy_reference.high < 0
    assert words.verdict(shown)[1].startswith("dpo leads orpo by 14.5 points (+")
    unsure = _with_accuracy(lead, Estimate(-0.02, -0.1, 0.06))
    runs = [*shown.runs[:2], shown.runs[2].model_copy(update={"against_best": unsure})]
    sentence = words.verdict(shown.model_copy(update={"runs": runs}))[1]
    assert (
        sentence
        == "dpo is 2.0 points ahead of orpo, which these 124 pairs do not decide (-6.0 to +10.0)."
    )


def test_the_table_has_a_cell_for_every_run() -> None:
    shown = groups(comparison())
    assert all(len(row.cells) == 3 for group in shown for row in group.rows)
    main = next(row for row in shown[0].rows if row.main)
    assert main.cells == ["50.0", "70.2 (62.6 to 77.3)", "55.6 (46.7 to 64.8)"]
    assert [row.cells[0] for row in shown[-1].rows] == ["-"] * 7


def test_numbers_read_well() -> None:
    assert words.metric(5.32e13, "FLOP") == "53.2 TFLOP"
    assert words.metric(0, "FLOP") == "0 FLOP"
    assert [words.duration(s) for s in (4.4, 59.7, 192, 3720)] == [
        "4 s",
        "1 min 00 s",
        "3 min 12 s",
        "1 h 02 min",
    ]
    assert (words.nats(-0.0314), words.nats(0.0), words.points(0.142)) == ("-0.031", "0", "+14.2")
    assert (words.nats(-0.0001), words.points(-1e-9)) == ("+0.000", "+0.0")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.25, 0.5, 0.75, 1]), (0.42, 0.78, [0.5, 0.6, 0.7]), (-3, 900, [0, 250, 500, 750])],
)
def test_axes_have_round_marks(low: float, high: float, expected: list[float]) -> None:
    assert charts.ticks(low, high, 4) == expected


def test_lines_stay_in_the_plot_and_labels_apart() -> None:
    series = [charts.Series(f"run {n}", n, [(0, 0.0), (10, 1.0 + n / 1000)]) for n in range(5)]
    chart = charts.line_chart(series, title="", note="", show=str)
    assert chart is not None
    heights = sorted(line.label_y for line in chart.lines)
    assert all(high - low >= 14.9 for low, high in pairwise(heights))
    assert chart.frame.top <= heights[0]
    assert heights[-1] <= chart.frame.bottom
    assert (
        charts.line_chart([charts.Series("one", 0, [(1, 1)])], title="", note="", show=str) is None
    )


def test_a_flat_line_has_an_axis() -> None:
    chart = charts.line_chart(
        [charts.Series("a", 0, [(0, 0.0), (5, 0.0)])], title="", note="", show=str
    )
    assert chart is not None
    assert chart.frame.top < chart.lines[0].y < chart.frame.bottom


def test_the_templates_are_beside_the_code() -> None:
    folder = Path(charts.__file__).parent / "templates"
    assert {path.name for path in folder.iterdir()} == {
        "charts.html.j2",
        "page.html.j2",
        "sweep.html.j2",
    }
