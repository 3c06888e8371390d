"""What a report measures, against numbers counted by hand, and what its page shows of it."""

from __future__ import annotations

import polars as pl
import pytest

from prefdata.report import histograms, words
from prefdata.report.axes import ticks
from prefdata.report.differences import difference
from prefdata.report.drawings import charts
from prefdata.report.model import Copies, Report
from prefdata.report.page import render
from prefdata.types import Vote
from tests.prefdata.pairs import frame, pair
from tests.prefdata.report.golden import GOLDEN
from tests.prefdata.report.making import Outline, report_on


def labelled(count: int) -> pl.DataFrame:
    """Pairs with everything that a chart shows: the longer, first and third-best side is chosen."""
    return frame(
        *(
            pair(
                f"What is the {n}th number that I am thinking of at this very moment?",
                f"Sure, the answer is {n}, and I am happy to have told you." + " So." * (n % 4),
                f"I think {n}.",
                n + 1,
                chosen_score=float(n % 5),
                rejected_score=float(n % 3),
                chosen_first=n % 4 != 0,
                votes=(
                    Vote("chosen", "ann"),
                    Vote("rejected" if n % 3 == 0 else "chosen", "ben"),
                    Vote("rejected", "eve"),
                ),
            )
            for n in range(count)
        )
    )


@pytest.fixture(scope="module")
def report() -> Report:
    return report_on(labelled(60))


def test_lengths_are_counted_in_characters() -> None:
    measured = report_on(frame(pair("abc", "日本", ""), pair("abcde", "", "x")), ["PD308"])
    assert measured.lengths is not None
    prompt, chosen, rejected = measured.lengths.series
    assert (prompt.median, prompt.mean, sum(prompt.counts)) == (4, 4, 2)
    assert (chosen.values, sum(chosen.counts)) == (2, 1), "an empty side is in no bar"
    assert rejected.mean == 0.5


def test_the_longer_side_is_counted_by_how_much_longer_it_is() -> None:
    pairs = frame(
        pair("1", "a" * 21, "a" * 20),  # 1.05 times
        pair("2", "a" * 20, "a" * 22),  # 1.1 times
        pair("3", "a" * 9, "a"),
        pair("4", "a", ""),
        pair("5", "a", "b"),
    )
    gaps = report_on(pairs, ["PD308"]).length_gaps
    found = [(gap.at_least, gap.longer_chosen.value, gap.longer_chosen.of) for gap in gaps]
    assert found == [(1.0, 1.0, 1), (1.1, 0.0, 1), (4.0, 1.0, 2)]


def test_votes_are_split_by_how_many_agree(report: Report) -> None:
    assert report.votes is not None
    splits = [(split.agreeing, split.votes, split.items) for split in report.votes.splits]
    assert splits == [(2, 3, 60)]
    assert report.votes.annotators[0].annotator == "eve"
    assert [one.accuracy.of for one in report.votes.annotators] == [60, 60, 60]


def test_position_is_counted_over_pairs_and_by_annotator(report: Report) -> None:
    overall, *people = report.positions
    assert (overall.annotator, overall.first_chosen.value) == (None, 0.75)
    assert {one.annotator: one.first_chosen.value for one in people}["eve"] == 0.25


def test_groups_of_copies_are_counted_by_their_size() -> None:
    twice, often, once = pair("a", "x", "y"), pair("b", "x", "y"), pair("c", "x", "y")
    found = report_on(frame(*[twice] * 2, *[often] * 7, once), ["PD501"]).duplicates
    assert found.equal_pairs == [
        Copies(smallest=2, largest=2, groups=1, things=2),
        Copies(smallest=5, largest=9, groups=1, things=7),
    ]


def test_words_that_stand_on_one_side_are_named(report: Report) -> None:
    found = {word.word: (word.chosen, word.rejected) for word in report.words}
    assert found["sure"] == (60, 0)
    assert found["think"] == (0, 60)


def test_integers_have_a_bar_each_and_far_values_do_not_flatten_the_rest() -> None:
    whole = histograms.linear_histogram(pl.DataFrame({"x": [1.0, 2.0, 2.0, 5.0]}))
    assert whole is not None
    assert whole.series[0].counts == [1, 2, 0, 0, 1]
    far = histograms.linear_histogram(
        pl.DataFrame({"x": [n / 1000 for n in range(1000)] + [1e300]})
    )
    assert far is not None
    assert far.edges[-1] < 2
    assert sum(far.series[0].counts) == 1001
    assert sum(count > 0 for count in far.series[0].counts) == 30


@pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0], [float("nan"), 1.0], [None]])
def test_one_value_is_no_histogram(values: list[float | None]) -> None:
    assert (
        histograms.linear_histogram(pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}))
        is None
    )


def test_marks_are_round() -> None:
    assert ticks(0.42, 0.78, 4) == [0.5, 0.6, 0.7]


def test_samples_are_spread_and_show_the_pair() -> None:
    pairs = frame(*(pair(f"Question {n}", "Yes.", "Yes.", n) for n in range(1, 101)))
    [broken] = report_on(pairs, ["identical-pair"]).broken
    assert [sample.place for sample in broken.samples] == [
        f"t.jsonl:{row}" for row in (1, 21, 41, 61, 81)
    ]
    assert broken.samples[1].prompt[0].text == "Question 21"
    assert broken.fix.startswith("`drop` (safe)")


def test_long_sides_are_shown_from_where_they_differ() -> None:
    same = "word " * 1000
    [broken] = report_on(
        frame(pair("Q", same + "good", same + "bad.")), ["near-identical-pair"]
    ).broken
    chosen, rejected = broken.samples[0].chosen[0], broken.samples[0].rejected[0]
    assert chosen.before == rejected.before == len(same) - 200
    assert chosen.text.endswith("good")
    marked = [piece.text for piece in difference(chosen.text, rejected.text)[0] if piece.changed]
    assert marked == ["good"]


def test_differences_keep_every_character() -> None:
    first, second = "It is a very blue  sky, isn't it?", "It was a very red sky, isn't it?"
    left, right = difference(first, second)
    assert "".join(piece.text for piece in left) == first
    assert "".join(piece.text for piece in right) == second
    assert [piece.text.strip() for piece in left if piece.changed] == ["is", "blue"]


def test_answers_without_much_in_common_are_not_marked() -> None:
    assert [piece.changed for piece in difference("Blue sky above.", "Fried fish tonight?")[0]] == [
        False
    ]


def test_a_rich_set_has_every_chart_but_none_too_many(report: Report) -> None:
    titles = [chart.frame.title for chart in charts(report)]
    assert len(titles) == len(set(titles)) <= 12
    assert {
        "How long are the sides?",
        "Do annotators agree?",
        "How clear is the preference?",
    } < set(titles)
    assert "Languages of the prompts" not in titles, "there is one"


def test_models_are_ordered_by_strength_and_pairs_with_strangers_left_out() -> None:
    games = [("a", "b"), ("a", "b"), ("b", "a"), ("b", "c"), ("a", "a"), ("c", None)]
    sides = [dict(zip(("chosen_model", "rejected_model"), game, strict=True)) for game in games]
    pairs = frame(*(pair(str(n), "yes", "no", **side) for n, side in enumerate(sides)))
    found = report_on(pairs).models
    assert [(one.model, one.won.value, one.won.of) for one in found] == [
        ("a", 2 / 3, 3),
        ("b", 1 / 2, 4),
        ("c", 0, 1),
    ]
    assert sum(one.strength for one in found) == pytest.approx(0, abs=1e-9)


def test_a_page_of_everything_keeps_to_twelve_charts() -> None:
    told = labelled(60).with_columns(
        chosen_model=pl.lit("a"),
        rejected_model=pl.lit("b"),
        source=pl.Series([f"s{n % 2}" for n in range(60)]),
    )
    titles = [chart.frame.title for chart in charts(report_on(told))]
    assert "Which model wins?" in titles
    assert len(titles) <= 12


def test_a_bare_set_has_no_empty_charts() -> None:
    report = report_on(frame(pair("", "", "")))
    assert [chart.frame.title for chart in charts(report)] == []
    assert "What it looks like" not in Outline(render(report)).headings


def test_no_pairs_are_a_page_too() -> None:
    report = report_on(frame(pair("a", "b", "c")).clear())
    assert Outline(render(report)).headings[0] == "There are no pairs in it."


@pytest.mark.parametrize(
    ("pairs", "select", "verdict"),
    [
        ([pair("a", "b", "b")], ["PD2"], "Not fit to train on as it is."),
        (
            [pair("a", "b", "c"), pair("a", "b", "c")],
            ["PD501"],
            "Fit to train on, with reservations.",
        ),
        ([pair("a", "b", "c")], ["PD2"], "Nothing was found that speaks against training on it."),
    ],
)
def test_the_verdict_follows_the_gravest_finding(pairs: list, select: list, verdict: str) -> None:
    assert words.verdict(report_on(frame(*pairs), select)) == verdict


def test_the_page_puts_the_verdict_first(report: Report) -> None:
    outline = Outline(render(report))
    sections = [heading for heading in outline.headings if heading[0].isupper()]
    assert sections[0] == words.verdict(report)
    assert sections[1] == "What was found"
    assert outline.headings[-1] == "How this was made"


def test_the_page_is_a_function_of_the_json(report: Report) -> None:
    again = Report.model_validate_json(report.model_dump_json())
    assert render(again) == render(report)


def test_reports_do_not_depend_on_the_order_of_rows(report: Report) -> None:
    shuffled = report_on(labelled(60).sample(fraction=1, shuffle=True, seed=1))
    assert shuffled.model_dump(exclude={"broken"}) == report.model_dump(exclude={"broken"})


def test_the_golden_page() -> None:
    """To accept a change: python -m tests.prefdata.report.golden."""
    kept = Report.model_validate_json((GOLDEN / "report.json").read_bytes())
    assert render(kept) == (GOLDEN / "report.html").read_text(encoding="utf-8")


def test_empty_and_blank_sides_say_that_they_are() -> None:
    texts = Outline(render(report_on(frame(pair("Q", "", " \n")), ["empty-completion"]))).texts
    assert texts == ["Q", "(nothing)", "(only white space)"]
