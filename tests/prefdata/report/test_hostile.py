"""Whatever data says is only text on the page, and no data makes it large."""

from __future__ import annotations

import msgspec
import pytest

from prefdata.report.model import Report
from prefdata.report.page import MOST_BYTES, render
from prefdata.report.visible import plain, visible
from prefdata.types import Origin, Vote
from tests.prefdata.pairs import frame, pair
from tests.prefdata.report.making import FETCHING, Outline, report_on

SCRIPT = "</p></style></title></svg><script>alert(1)</script><img src=x onerror=alert(1)>"
TEMPLATE = "{{ 7*7 }}{% for x in y %}{# no #}${7*7}"
TURNED = "\u202eevil\u202c \u2066x\u2069 \u200f\u05d0\u05d1\u200e"
LONG = "a" * 1_000_000
EMOJI = "👩\u200d👩\u200d👧 🏳\ufe0f\u200d🌈 👍🏽"
CONTROLS = "\x00\x07\x1b[31m\r\u2028&amp;\"'`--><!--"
HOSTILE = (SCRIPT, TEMPLATE, TURNED, LONG, EMOJI, CONTROLS, "")


@pytest.fixture(scope="module")
def report() -> Report:
    """A report on pairs in which every text that data can name is hostile."""
    pairs = [
        msgspec.structs.replace(
            pair(
                f"{asked} {n % 5}",
                said,
                other,
                chosen_score=float("inf") if n % 2 else 1e300,
                rejected_score=float("nan") if n % 3 else -1.0,
                chosen_model=SCRIPT,
                chosen_first=bool(n % 2),
                votes=(
                    Vote("chosen", SCRIPT),
                    Vote("rejected", TURNED),
                    Vote("chosen", LONG[:999]),
                ),
            ),
            origin=Origin(SCRIPT if n % 2 else TURNED, f"{SCRIPT}{TEMPLATE}.jsonl", n + 1),
        )
        for n, (asked, said, other) in enumerate(
            (a, b, c) for a in HOSTILE for b in HOSTILE for c in (SCRIPT, b)
        )
    ]
    return report_on(frame(*pairs))


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render(report)


def test_nothing_runs_and_nothing_is_fetched(page: str) -> None:
    outline = Outline(page)
    assert outline.fetched == []
    assert outline.handlers == []
    assert not FETCHING & set(outline.tags)
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_texts_stay_as_they_are(page: str) -> None:
    shown = "\n".join(Outline(page).texts)
    assert SCRIPT in shown
    assert TEMPLATE in shown
    assert EMOJI in shown
    assert "U+202Eevil" in shown


def test_no_character_is_hidden_or_turns_the_text_around(page: str) -> None:
    assert not set("\u202e\u202c\u2066\u2069\u200f\u200e\x00\x07\x1b\u2028\r") & set(page)


def test_the_page_stays_small(page: str) -> None:
    assert len(page.encode()) <= MOST_BYTES


def test_samples_are_left_out_before_the_page_grows_too_large(report: Report) -> None:
    broken = report.broken[0]
    sample = broken.samples[0].model_copy(update={"message": "<" * 100_000})
    many = [broken.model_copy(update={"samples": [sample] * 5}) for _ in range(3)]
    page = render(report.model_copy(update={"broken": many}))
    assert len(page.encode()) <= MOST_BYTES
    assert "Samples are left out" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200bb", 'a<span class="hidden">U+200B</span>b'),
        ("\x00" * 3000, '<span class="hidden">U+0000 x3,000</span>'),
        ("tab\tand\nline", "tab\tand\nline"),
        (EMOJI, EMOJI),
        ("<&\"'>", "&lt;&amp;&#34;&#39;&gt;"),
    ],
)
def test_hidden_characters_stand_as_code_points(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_labels_of_charts_are_one_short_line() -> None:
    assert plain("a\n\u202e" + LONG, 20) == "a U+202Eaaaaaaaaaaa…"
