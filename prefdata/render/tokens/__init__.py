"""What a trainer sees, as a person reads it: rows as text for a terminal, as a page, or as JSON.

`pair_view` says of one row what is prompt, completion, cut, special and different; `as_text`,
`as_page` and `as_json` write it down. None of them loads a tokenizer.
"""

from __future__ import annotations

from msgspec import Struct

from prefdata.tokens.disagreement import Disagreement


class Span(Struct, frozen=True):
    """A stretch of text whose tokens are alike.

    Attributes:
        text: as the tokenizer decodes it, control and direction characters made visible.
        tokens: how many.
        special: it is one special token.
        cut: truncation takes it away, so the model never reads it.
        differs: the other side of the pair has something else here.
    """

    text: str
    tokens: int
    special: bool = False
    cut: bool = False
    differs: bool = False


class PartView(Struct, frozen=True):
    """A prompt or a completion.

    Attributes:
        ids: all token ids, before truncation.
        kept: first and past-the-last token that is read.
        spans: the same as text.
    """

    ids: list[int]
    kept: tuple[int, int]
    spans: list[Span]

    @property
    def tokens(self) -> int:
        """Returns the number of tokens before truncation."""
        return len(self.ids)

    @property
    def cut(self) -> int:
        """Returns the number of tokens that truncation takes away."""
        return len(self.ids) - (self.kept[1] - self.kept[0])


class SideView(Struct, frozen=True):
    """One completion after its prompt; `read` is the number of tokens that the model reads."""

    prompt: PartView
    completion: PartView
    read: int


class PairView(Struct, frozen=True):
    """A row as its trainer sees it.

    Attributes:
        chosen, rejected: None where the trainer cannot take this row.
        refused: why it cannot.
        dropped: why the trainer leaves the row out.
        shared: tokens at which both completions begin alike.
        notes: what is wrong with the row, in sentences.
    """

    id: str
    file: str
    row: int
    chosen: SideView | None
    rejected: SideView | None
    refused: str | None
    dropped: str | None
    shared: int
    notes: list[str]

    @property
    def one_prompt(self) -> bool:
        """Tells whether both sides read the same prompt."""
        if self.chosen is None or self.rejected is None:
            return True
        a, b = self.chosen.prompt, self.rejected.prompt
        return (a.ids, a.kept) == (b.ids, b.kept)


class Run(Struct, frozen=True):
    """What the rows were rendered with.

    Attributes:
        source: file or data set.
        tokenizer: as it was named.
        trainers: one, or the two that are compared.
        max_length: tokens of prompt + completion; None leaves them whole.
        truncation: of each trainer.
        method: what is trained, in a sentence; empty where no run says it.
    """

    source: str
    tokenizer: str
    trainers: list[str]
    max_length: int | None
    truncation: list[str]
    method: str = ""


class TokenView(Struct, frozen=True):
    """Rows as one trainer sees them; `total` counts those of the source."""

    run: Run
    total: int
    pairs: list[PairView]


class Tally(Struct, frozen=True):
    """How often two trainers differ in one way, and where first."""

    name: str
    trainer: str
    meaning: str
    rows: int
    first: str


class ComparisonView(Struct, frozen=True):
    """Rows on which two trainers disagree; `total` counts all that were compared."""

    run: Run
    total: int
    summary: list[Tally]
    rows: list[Disagreement]
