"""The charts of a page, at most twelve; what has nothing to show is left out, then what comes last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prefdata.report.charts import Chart, Extent, Measure, area_chart, row_chart
from prefdata.report.model import Breakdown, Copies, Histogram, Report, Series, Share
from prefdata.report.words import compact, interval, number, percent

_PROMPT, _CHOSEN, _REJECTED, _OTHER = 0, 1, 2, 3  # tones
_CHARTS = 12
_FAMILIES = {"all": "all of it", "surface": "all of the surface", "words": "words and word pairs"}


def charts(report: Report) -> list[Chart]:
    """Returns the charts in the order of the page."""
    every = [
        *_lengths(report),
        *_length_gaps(report),
        *_shortcuts(report),
        *_words(report),
        *_scores(report),
        *_agreement(report),
        *_annotators(report),
        *_positions(report),
        *_models(report),
        *_duplicates(report),
        *_breakdown(report.sources, "Where the pairs come from"),
        *_breakdown(report.languages, "Languages of the prompts"),
    ]
    return every[:_CHARTS]


def _lengths(report: Report) -> Iterator[Chart]:
    if report.lengths is not None:
        yield area_chart(
            report.lengths,
            (_PROMPT, _CHOSEN, _REJECTED),
            [_middle(series) for series in report.lengths.series],
            title="How long are the sides?",
            note="characters, on a scale of powers of ten; median and 95th percentile",
            logarithmic=True,
            mark=compact,
        )


def _middle(series: Series) -> str:
    if series.median is None or series.high is None:
        return ""
    return f"{compact(series.median)}, {compact(series.high)}"


def _length_gaps(report: Report) -> Iterator[Chart]:
    rows = [
        Measure(_ratio(gap.at_least, gap.below), _of(gap.longer_chosen), share=gap.longer_chosen)
        for gap in report.length_gaps
    ]
    if rows:
        yield _shares(
            rows,
            title="Is the longer answer chosen?",
            note="share of pairs, by how much longer the longer one is; dashed: no bias",
        )


def _shares(rows: Sequence[Measure], title: str, note: str) -> Chart:
    """Returns a chart of shares that are read against one half."""
    return row_chart(rows, title=title, note=note, span=_span(rows), mark=percent, baseline=0.5)


def _ratio(at_least: float, below: float | None) -> str:
    if below is None:
        return f"{at_least:g} times or more"
    return f"up to {below:g} times" if at_least == 1 else f"{at_least:g} to {below:g} times"


def _of(share: Share) -> str:
    return f"{percent(share.value)} of {compact(share.of)}"


def _span(rows: Sequence[Measure], least: float = 0.5) -> tuple[float, float]:
    """Returns an axis for shares that holds every interval and `least`, to the next ten per cent."""
    shares = [row.share for row in rows if row.share is not None]
    low = min(least, *(share.low for share in shares))
    high = max(least, *(share.high for share in shares))
    return int(low * 10) / 10, min(1.0, int(high * 10 + 0.999) / 10)


def _shortcuts(report: Report) -> Iterator[Chart]:
    rows = [
        Measure(
            _FAMILIES.get(family.name, family.name),
            interval(family.accuracy),
            share=family.accuracy,
            tone=_REJECTED if family.name in _FAMILIES else _CHOSEN,
        )
        for family in report.shortcuts
    ]
    if rows:
        yield _shares(
            rows,
            title="Can the label be told without reading?",
            note="how often a linear model is right on prompts it has not seen, by what it may"
            " look at, %; dashed: a coin",
        )


def _words(report: Report) -> Iterator[Chart]:
    rows = [
        Measure(
            f"“{word.word}”",
            f"{compact(word.rejected)} | {compact(word.chosen)}",
            [Extent(0, -word.rejected, _REJECTED), Extent(0, word.chosen, _CHOSEN)],
        )
        for word in report.words
    ]
    if rows:
        reach = max(max(word.chosen, word.rejected) for word in report.words)
        yield row_chart(
            rows,
            title="Which words give a side away?",
            note="pairs in which only rejected has the word (left), and only chosen (right)",
            span=(-reach, reach),
            mark=lambda value: compact(abs(value)),
            baseline=0,
        )


def _scores(report: Report) -> Iterator[Chart]:
    if report.scores is not None:
        yield _linear(report.scores, "Which scores do the sides have?", "as the source gives them")
    if report.margins is not None:
        note = "score of chosen minus score of rejected; left of the dashed line rejected scores higher"
        yield _linear(report.margins, "How clear is the preference?", note, baseline=0)


def _linear(histogram: Histogram, title: str, note: str, baseline: float | None = None) -> Chart:
    return area_chart(
        histogram,
        (_CHOSEN, _REJECTED) if len(histogram.series) > 1 else (_OTHER,),
        [_middle(series) for series in histogram.series],
        title=title,
        note=f"{note}; median and 95th percentile",
        logarithmic=False,
        mark=compact,
        baseline=baseline,
    )


def _agreement(report: Report) -> Iterator[Chart]:
    if report.votes is None:
        return
    rows = [
        Measure(
            f"{split.agreeing} of {split.votes} agree",
            number(split.items, "item"),
            [Extent(0, split.items, _CHOSEN if split.agreeing == split.votes else _OTHER)],
        )
        for split in report.votes.splits
    ]
    alpha = next((r.measured for r in report.rules if r.name == "low-agreement"), None)
    said = f"; {alpha.message}" if alpha else ""
    yield _bars(rows, "Do annotators agree?", f"items by their votes{said}")


def _bars(rows: Sequence[Measure], title: str, note: str) -> Chart:
    longest = max(bar.end for row in rows for bar in row.bars)
    return row_chart(rows, title=title, note=note, span=(0, longest), mark=compact)


def _annotators(report: Report) -> Iterator[Chart]:
    if report.votes is None or not report.votes.annotators:
        return
    shown, in_all = report.votes.annotators, report.votes.annotators_in_all
    rows = [
        Measure(
            one.annotator if one.annotator is not None else "(without a name)",
            _of(one.accuracy),
            share=one.accuracy,
            tone=_REJECTED if one.accuracy.high < 0.5 else _CHOSEN,
        )
        for one in shown
    ]
    which = "" if len(shown) == in_all else f"; the {len(shown)} least accurate of {in_all:,}"
    yield _shares(
        rows,
        title="How often is each annotator right?",
        note=f"going by the votes of the others{which}; left of the dashed line answers are inverted",
    )


def _positions(report: Report) -> Iterator[Chart]:
    rows = [
        Measure(
            "all pairs" if one.annotator is None else one.annotator,
            _of(one.first_chosen),
            share=one.first_chosen,
            tone=_REJECTED if one.annotator is None else _CHOSEN,
        )
        for one in report.positions
    ]
    if rows:
        yield _shares(
            rows,
            title="Does the side shown first win?",
            note="share won by the side that the annotator saw first; dashed: no bias",
        )


def _models(report: Report) -> Iterator[Chart]:
    rows = [
        Measure(one.model, f"{one.strength:+.2f} · {_of(one.won)}", share=one.won)
        for one in report.models
    ]
    if rows:
        yield _shares(
            rows,
            title="Which model wins?",
            note="share of its pairs against the others that each one wins, by Bradley-Terry strength"
            " (nats); dashed: one half",
        )


def _duplicates(report: Report) -> Iterator[Chart]:
    found = report.duplicates
    rows = _copies(found.equal_pairs, "equal pairs", _REJECTED)
    rows += _copies(found.near_prompts, "alike prompts", _CHOSEN)
    if rows:
        note = (
            "pairs that stand in the set so many times, and different prompts that share"
            f" {percent(found.similarity)} of their shingles or more, by the size of their group"
        )
        yield _bars(rows, "What repeats?", note)


def _copies(groups: Sequence[Copies], what: str, tone: int) -> list[Measure]:
    return [
        Measure(
            f"{what}, {_size(group.smallest, group.largest)}",
            number(group.groups, "group"),
            [Extent(0, group.things, tone)],
        )
        for group in groups
    ]


def _size(smallest: int, largest: int | None) -> str:
    if largest is None:
        return f"{smallest} or more"
    return f"{smallest}" if smallest == largest else f"{smallest} to {largest}"


def _breakdown(found: Breakdown | None, title: str) -> Iterator[Chart]:
    if found is None:
        return
    rows = [
        Measure(
            portion.name,
            f"{percent(portion.pairs / found.told)} · {compact(portion.pairs)}",
            [Extent(0, portion.pairs, _CHOSEN)],
        )
        for portion in found.portions
    ]
    left = found.values - len(found.portions)
    note = f"pairs; {left:,} rarer ones are left out" if left else "pairs"
    yield _bars(rows, title, note)
