"""Sentences and short forms that text and page share."""

from __future__ import annotations

from msgspec import structs

from prefdata.render.tokens import ComparisonView, PairView, PartView, Run, SideView, Span

_HEAD = 2 / 3  # of what is shown of a long stretch stands before the gap
_MOST_SPANS = 240


def run_line(run: Run) -> str:
    """Returns what the rows were rendered with, in one line."""
    limit = "no max_length" if run.max_length is None else f"max_length {run.max_length:,}"
    cuts = " against ".join(dict.fromkeys(run.truncation)) if run.max_length is not None else ""
    parts = [" against ".join(run.trainers), run.tokenizer, limit, cuts, run.method]
    return " · ".join(part for part in parts if part)


def counted(part: PartView) -> str:
    """Returns the size of a part: `41 tokens, 12 of them cut`."""
    text = f"{part.tokens:,} token{'' if part.tokens == 1 else 's'}"
    return f"{text}, {part.cut:,} of them cut" if part.cut else text


def counted_side(side: SideView) -> str:
    """Returns the size of a completion: `41 tokens, 12 of them cut; 512 with its prompt`."""
    return f"{counted(side.completion)}; {side.read:,} with its prompt"


def sides_line(pair: PairView) -> str:
    """Returns where the two completions part."""
    if pair.chosen is None or pair.rejected is None:
        return ""
    lengths = pair.chosen.completion.tokens, pair.rejected.completion.tokens
    if pair.shared == lengths[0] == lengths[1]:
        return "both completions are the same tokens"
    if pair.shared == 0:
        return "they part at the first token"
    return f"they part after {pair.shared:,} token{'' if pair.shared == 1 else 's'}"


def verdict(view: ComparisonView) -> str:
    """Returns how many rows two trainers disagree on."""
    if not view.rows:
        return f"both make the same tokens of all {view.total:,} rows"
    share = 100 * len(view.rows) / view.total
    return f"they disagree on {len(view.rows):,} of {view.total:,} rows ({share:.1f} %)"


def shortened(spans: list[Span], longest: int, *, full: bool) -> list[Span]:
    """Returns stretches of at most `longest` characters; what is left out says how much it is."""
    if full:
        return spans
    if len(spans) > _MOST_SPANS:
        half = _MOST_SPANS // 2
        out = sum(span.tokens for span in spans[half:-half])
        spans = [*spans[:half], Span(f"[… {out:,} tokens …]", 0), *spans[-half:]]
    return [_shorter(span, longest) for span in spans]


def _shorter(span: Span, longest: int) -> Span:
    out = len(span.text) - longest
    if out <= 0:
        return span
    head = round(_HEAD * longest)
    text = f"{span.text[:head]} [… {out:,} characters …] {span.text[head + out :]}"
    return structs.replace(span, text=text)
