"""What a report holds; the models are the source of schemas/report-v1.json.

A part is null, or a list empty, where the set has nothing of its kind: no scores, no votes.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from prefdata.checks import Bound, Kind
from prefdata.io.manifest import Counts, LayoutEntry, Manifest
from prefdata.schema import SCHEMA_VERSION
from prefdata.types import Level


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Share(_Part):
    """A share of `of` things, with its 95 % interval."""

    value: float
    low: float
    high: float
    of: int = Field(ge=0, description="things that were counted")


class Series(_Part):
    """How many values fall between each two edges of a histogram."""

    name: str
    counts: list[int]
    values: int = Field(ge=0, description="all values, also those that no bar holds")
    median: float | None = Field(description="of all values; null of none")
    mean: float | None
    high: float | None = Field(description="the 95th percentile")


class Histogram(_Part):
    """One or more series over the same edges; values beyond the outermost edges count in the next bar."""

    edges: list[float]
    series: list[Series]


class LengthGap(_Part):
    """Pairs in which the longer side is so many times as long as the other."""

    at_least: float = Field(description="the ratio of the lengths; above 1")
    below: float | None
    longer_chosen: Share


class Position(_Part):
    """How often the side that was shown first was chosen."""

    annotator: str | None = Field(description="null for all pairs, by their own label")
    first_chosen: Share


class Split(_Part):
    """Items on which so many of the votes are for the same answer."""

    agreeing: int
    votes: int
    items: int


class Annotator(_Part):
    """How often an annotator is right, going by the votes of the others (Dawid & Skene 1979)."""

    annotator: str | None = Field(description="null for all without a name together")
    accuracy: Share = Field(description="the intervals hold for all annotators at once")


class Votes(_Part):
    """What the votes say of each other."""

    splits: list[Split] = Field(description="of items with two votes or more, unanimous ones first")
    annotators: list[Annotator] = Field(description="the least accurate ones first")
    annotators_in_all: int


class Copies(_Part):
    """Groups of so many things that are the same, or nearly."""

    smallest: int
    largest: int | None = Field(description="null for no bound")
    groups: int
    things: int


class Duplicates(_Part):
    """How often things repeat."""

    equal_pairs: list[Copies] = Field(description="pairs of one id")
    near_prompts: list[Copies] = Field(description="different prompts that are nearly the same")
    similarity: float = Field(description="least Jaccard similarity of two near prompts")


class Family(_Part):
    """How often the label is told from one kind of surface feature, out of fold."""

    name: str
    accuracy: Share


class Word(_Part):
    """A word that stands on one side more often than chance would have it."""

    word: str
    chosen: int = Field(description="pairs in which only chosen has it")
    rejected: int = Field(description="pairs in which only rejected has it")
    adjusted_p: float


class ModelRecord(_Part):
    """How a model fares against the others (Bradley & Terry 1952)."""

    model: str
    strength: float = Field(description="log-strength in nats; the mean of all is 0")
    won: Share


class Portion(_Part):
    """How many pairs something holds of."""

    name: str
    pairs: int


class Breakdown(_Part):
    """The pairs by one property: its commonest values, and how many values there are."""

    portions: list[Portion]
    values: int
    told: int = Field(description="pairs whose value is known")


class Turn(_Part):
    """One message, cut."""

    role: str
    text: str
    before: int = Field(
        0, ge=0, description="characters left out before it, the same on both sides"
    )
    more: int = Field(0, ge=0, description="characters cut off its end")


class Sample(_Part):
    """One finding with the pair it is about; a row that never became a pair has only its place."""

    place: str | None
    id: str | None
    message: str
    earlier_turns: int = Field(0, description="turns of the prompt that are left out before it")
    prompt: list[Turn] = []
    chosen: list[Turn] = []
    rejected: list[Turn] = []
    row: Turn | None = Field(None, description="the row as it stands, of one that was set aside")


class Measured(_Part):
    """The number that a rule about the whole set looks at, with its 95 % interval."""

    value: float
    low: float
    high: float
    limit: float
    bound: Bound
    message: str


class RuleRun(_Part):
    """A rule that ran."""

    code: str
    name: str
    level: Level
    kind: Kind
    summary: str
    count: int
    of: int
    measured: Measured | None


class Broken(_Part):
    """A rule that found something: what it is, what to do, and some of what it found."""

    rule: RuleRun
    why: str
    fix: str
    samples: list[Sample]


class Input(_Part):
    """What was read."""

    name: str
    sha256: str | None = Field(description="null for a hub dataset or standard input")
    manifest: Manifest | None = Field(
        description="of the conversion that wrote it, if there is one"
    )


class Made(_Part):
    """Enough to make the report again."""

    command: list[str]
    versions: dict[str, str]
    inputs: list[Input]
    settings: dict[str, Any]
    counts: Counts
    layout: list[LayoutEntry]
    reasons: dict[str, int]


class Report(_Part):
    """`report.json`: every number of the page."""

    schema_version: int = SCHEMA_VERSION
    pairs: int
    prompts: int
    ties: int
    quarantined: int
    broken: list[Broken] = Field(description="the gravest first")
    rules: list[RuleRun] = Field(description="every rule that ran, by code")
    lengths: Histogram | None = Field(description="characters; edges grow by the same factor")
    length_gaps: list[LengthGap]
    scores: Histogram | None
    margins: Histogram | None
    votes: Votes | None
    positions: list[Position]
    models: list[ModelRecord] = Field(description="the strongest first")
    duplicates: Duplicates
    shortcuts: list[Family]
    words: list[Word]
    sources: Breakdown | None
    languages: Breakdown | None
    made: Made
