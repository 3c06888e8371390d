"""Views of tokens: nothing is lost between ids and text, and data cannot pass for markup."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from prefdata.render.tokens import PairView, PartView, Run, Span, TokenView
from prefdata.render.tokens.json import as_json
from prefdata.render.tokens.page import as_page, comparison_page
from prefdata.render.tokens.spans import differing
from prefdata.render.tokens.text import as_text, comparison_text
from prefdata.render.tokens.view import comparison_view, pair_view
from prefdata.tokens import load_tokenizer
from prefdata.tokens.disagreement import disagreements
from prefdata.tokens.trainers import open_trainer
from prefdata.types import Pair
from tests.prefdata.tokens.pairs import frame, pair, real_pairs

COURSE = "of course, as every child has learnt at school"
LENGTH = 48  # cuts the sentences below, which the tiny tokenizer writes in more
RUN = Run("t.jsonl", "tiny", ["prefalign"], 64, ["keep_start"])
HOSTILE = [
    pair("<script>alert(1)</script>", "<b>[bold]x[/bold]</b>", "</p></span><img src=x onerror=y>"),
    pair("\u202eright to left \x1b[31mred\x1b[0m", "\u200bzero width \x07 bell", "\u2028 line"),
    pair("{{ 7 * 7 }} {% raw %}", "&amp; &lt;script&gt;", '" onclick="x'),
]


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return load_tokenizer(tiny_model)


def views(tokenizer: Any, *pairs: Pair, **settings: Any) -> list[PairView]:
    trainer = open_trainer("prefalign", tokenizer, **settings)
    return [pair_view(tokenizer, trainer, row) for row in frame(*pairs).iter_rows(named=True)]


def view(tokenizer: Any, *pairs: Pair, **settings: Any) -> TokenView:
    found = views(tokenizer, *pairs, **settings)
    return TokenView(RUN, len(pairs), found)


class Page(HTMLParser):
    """Elements and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_spans_hold_every_token_and_all_text(tokenizer: Any) -> None:
    for p, shown in zip(real_pairs(), views(tokenizer, *real_pairs(), max_length=100), strict=True):
        for side in ("chosen", "rejected"):
            seen = getattr(shown, side)
            for part in (seen.prompt, seen.completion):
                assert sum(span.tokens for span in part.spans) == part.tokens
            text = "".join(span.text for span in seen.completion.spans)
            assert text == tokenizer.decode(seen.completion.ids) or "\ufffd" in text
            assert str(getattr(p, side)[0].content) in text or "\ufffd" in text


def test_special_cut_and_different_tokens_are_told_apart(tokenizer: Any) -> None:
    (shown,) = views(
        tokenizer,
        pair("Hi", f"The capital is Paris, {COURSE}", f"The capital is London, {COURSE}"),
        max_length=LENGTH,
        truncation="keep_start",
    )
    assert shown.chosen is not None
    spans = shown.chosen.completion.spans
    assert any(span.special and span.text == "<|im_end|>" and span.tokens == 1 for span in spans)
    cut = sum(span.tokens for span in spans if span.cut)
    assert (
        cut
        == shown.chosen.completion.cut
        == shown.chosen.completion.tokens - (shown.chosen.completion.kept[1])
    )
    assert shown.chosen.read == LENGTH
    assert cut > 0
    different = "".join(span.text for span in spans if span.differs)
    assert "aris" in different
    assert "capital" not in different
    assert "course" not in different


def test_characters_of_several_tokens_are_never_torn_by_a_mark(tokenizer: Any) -> None:
    (shown,) = views(
        tokenizer, pair("Hi", "Smile 🤖 and on we go 日本", "Smile 🤗 and on we go 日木")
    )
    for side in (shown.chosen, shown.rejected):
        assert side is not None
        assert "\ufffd" not in "".join(span.text for span in side.completion.spans)
        marked = {span.text.strip() for span in side.completion.spans if span.differs}
        assert marked in ({"🤖", "日本"}, {"🤗", "日木"}, {"🤖", "本"}, {"🤗", "木"})


def test_texts_with_little_in_common_are_not_marked(tokenizer: Any) -> None:
    a, b = (tokenizer(text)["input_ids"] for text in ("abc def", "zyx wvu tsr"))
    assert differing(tokenizer, a, b) == ([False] * len(a), [False] * len(b))


def test_very_long_texts_are_compared_at_their_ends_only(tokenizer: Any) -> None:
    a, b = [5] * 40_000, [5, 6, *[7] * 40_000, 5]
    assert differing(tokenizer, a, b) == ([False] * len(a), [False] * len(b))


def test_notes_say_what_cannot_be_learnt_from(tokenizer: Any) -> None:
    cut = {"max_length": 24, "truncation": "keep_start"}
    long, empty = views(
        tokenizer,
        pair("Hi", "word " * 50, "x"),
        pair("long prompt " * 40, "a", "b"),
        **cut,
    )
    assert long.notes == []
    assert empty.notes == ["nothing is left of chosen and rejected: there is no loss to learn from"]
    (identical,) = views(tokenizer, pair("Hi", "word " * 50 + "a", "word " * 50 + "b"), **cut)
    assert "the same tokens after truncation" in identical.notes[0]
    (dropped,) = views(tokenizer, pair("Hi", "word " * 50, "x"), max_length=24)
    assert dropped.dropped == "a side has more than 24 tokens"


def test_a_template_without_tools_is_noted(tokenizer: Any) -> None:
    tools = json.dumps([{"type": "function", "function": {"name": "f", "parameters": {}}}])
    shown = view(tokenizer, pair("Hi", "Yes", "No", tools=tools), pair("Hi", "Yes", "No"))
    assert shown.pairs[0].notes == ["the tools of the row are not in the tokens"]
    assert shown.pairs[1].notes == []


@pytest.mark.parametrize("colour", [True, False])
def test_text_is_safe_for_a_terminal_and_no_markup(tokenizer: Any, colour: bool) -> None:
    text = as_text(view(tokenizer, *HOSTILE), colour=colour)
    ours = text.replace("\x1b[", "") if colour else text
    assert not {"\x07", "\u202e", "\u200b", "\u2028"} & set(ours)
    assert "\x1b" not in ours
    assert "[bold]x[/bold]" in text.replace("\n", "")
    assert "\\x1b[31m" in text.replace("\n", "")
    assert ("\x1b[" in text) == colour
    assert ("⟦<|im_start|>⟧" in text) == (not colour)


def test_marks_stand_around_what_is_cut_and_what_differs(tokenizer: Any) -> None:
    one = pair("Hi", f"The capital is Paris, {COURSE}", f"The capital is London, {COURSE}")
    cut = view(tokenizer, one, max_length=LENGTH, truncation="keep_start")
    text = as_text(cut, colour=False, width=400)
    chosen, rejected = (
        text.split(f"\n{name}: ")[1].split("rejected: ")[0] for name in ("chosen", "rejected")
    )
    assert "{+" in chosen
    assert "[-" in rejected
    assert chosen.count("~~") == rejected.count("~~") == 2


def test_a_difference_that_is_cut_is_still_marked(tokenizer: Any) -> None:
    one = pair("Hi", f"{COURSE}, Paris", f"{COURSE}, London")
    cut = view(tokenizer, one, max_length=40, truncation="keep_start")
    assert "the same tokens after truncation" in cut.pairs[0].notes[0]
    text = as_text(cut, colour=False, width=400)
    assert re.search(r"~~[^~]*\{\+[^~]*~~", text)
    assert re.search(r"~~[^~]*\[-[^~]*~~", text)
    assert 'class="cut differs"' in as_page(cut)


def test_long_texts_are_shortened_unless_full(tokenizer: Any) -> None:
    long = pair("Hi", "x" * 100_000, "no")
    text = as_text(view(tokenizer, long), colour=False)
    assert "characters …]" in text
    assert len(text) < 5_000
    full = as_text(view(tokenizer, long), colour=False, full=True)
    assert full.count("x") >= 100_000


def test_page_holds_no_element_of_the_data(tokenizer: Any) -> None:
    found = Page(as_page(view(tokenizer, *HOSTILE)))
    assert not {"script", "img", "b"} & set(found.tags)
    assert not {name for name in found.attributes if name.startswith("on")}
    assert "<script>alert(1)</script>" in found.text
    assert "{{ 7 * 7 }} {% raw %}" in found.text
    assert "&lt;script&gt;" in found.text  # as the data has it, escaped once
    assert "\\u202eright to left" in found.text
    assert not {"\u202e", "\x1b", "\x07"} & set(found.text)


def test_page_fetches_nothing(tokenizer: Any) -> None:
    page = as_page(view(tokenizer, *HOSTILE))
    assert "default-src 'none'" in page
    assert "src=x" not in page.replace("&lt;img src=x", "")
    assert not {"link", "iframe", "object"} & set(Page(page).tags)


def test_page_has_chosen_beside_rejected_with_counts(tokenizer: Any) -> None:
    shown = view(tokenizer, pair("Hi", "Yes", "No"))
    chosen = shown.pairs[0].chosen
    assert chosen is not None
    found = Page(as_page(shown))
    assert f"{chosen.completion.tokens} tokens; {chosen.read} with its prompt" in found.text
    assert found.text.index("Chosen") < found.text.index("Rejected")


def test_json_is_the_view(tokenizer: Any) -> None:
    shown = view(tokenizer, *HOSTILE, max_length=64)
    data = json.loads(as_json(shown))
    assert data["run"]["trainers"] == ["prefalign"]
    for row, one in zip(data["pairs"], shown.pairs, strict=True):
        assert one.chosen is not None
        assert row["chosen"]["completion"]["ids"] == one.chosen.completion.ids
        assert row["chosen"]["read"] == one.chosen.read


def test_comparison_counts_rows_and_names_the_first(tokenizer: Any) -> None:
    rows = list(frame(*real_pairs()).iter_rows(named=True))
    names = ["trl-dpo@1.16", "trl-orpo@1.16"]
    trainers = [open_trainer(name, tokenizer, max_length=512) for name in names]
    run = Run("t.jsonl", "tiny", names, 512, ["keep_start", "keep_start"])
    found = disagreements(trainers[0], trainers[1], tokenizer, rows)
    compared = comparison_view(run, len(rows), found)
    tally = {t.name: t.rows for t in compared.summary}
    assert tally["second-eos"] == sum(
        any(d.name == "second-eos" for d in row.differences) for row in compared.rows
    )
    text = comparison_text(compared, 2, colour=False)
    assert f"they disagree on {len(compared.rows)} of {len(rows)} rows" in text
    assert f"and {len(compared.rows) - 2} more rows" in text
    page = Page(comparison_page(compared, 2))
    assert page.tags.count("table") == 2
    assert "second-eos" in page.text


def test_a_refused_row_says_why(tokenizer: Any) -> None:
    no_prompt = pair((), "Yes", "No")
    shown = view(tokenizer, no_prompt)
    assert "the trainer cannot take this row" in as_text(shown, colour=False)
    assert "The trainer cannot take this row" in Page(as_page(shown)).text


def test_parts_count_what_is_cut() -> None:
    part = PartView([1, 2, 3], (1, 3), [Span("a", 1, cut=True), Span("bc", 2)])
    assert (part.tokens, part.cut) == (3, 1)
