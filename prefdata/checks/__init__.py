"""Rules: one module is one rule, and knows nothing of the others.

A module's docstring is the rule's page (`prefdata explain NAME`); its sections are "What it does",
"Why is this bad?", "Example" and "Fix", and the example must trigger the rule. There are five
kinds:

    read       found while a file is read and converted; the reader raises `BadRecord(name, ...)`
    row        a boolean expression over the canonical columns; all of them run in one pass
    set        looks across rows; returns the rows it finds
    dataset    one number about the whole set, with a 95 % interval and a limit
    token      a boolean expression over the rendered tokens; needs a tokenizer

A rule whose thresholds people set names a struct of them, with defaults, as `settings`, and gets it
after the evidence; `[tool.prefdata.rules]` fills it in. What several rules need is measured once:
`evidence.once(measure, ...)`. So a rule is as small as

    '''Chosen and rejected are the same. ...'''

    @row_rule("PD201", "identical-pair", level="error", message="both sides are the same")
    def identical_pair() -> pl.Expr:
        return pl.col("chosen").eq_missing(pl.col("rejected"))

Codes are never reused; a name makes sense when read as "allow NAME".
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    NamedTuple,
    ParamSpec,
    TypeAlias,
    TypeVar,
    cast,
)

from msgspec import Struct, field

from prefdata.errors import PrefError
from prefdata.frame import PAIRS
from prefdata.registry import Registry, did_you_mean
from prefdata.types import Level

if TYPE_CHECKING:
    import polars as pl

Kind: TypeAlias = Literal["read", "row", "set", "dataset", "token"]
Need: TypeAlias = Literal["against", "tokens", "benchmarks", "provenance", "scores"]
Bound: TypeAlias = Literal["max", "min"]

P = ParamSpec("P")
T = TypeVar("T")


class Fix(NamedTuple):
    """What curation does about a finding. A safe fix runs unasked; an unsafe one only by name."""

    safety: Literal["safe", "unsafe"]
    action: Literal["drop"]


SAFE_DROP = Fix("safe", "drop")
UNSAFE_DROP = Fix("unsafe", "drop")


class Benchmark(NamedTuple):
    """The prompts of an evaluation set that pairs must not contain."""

    name: str
    prompts: pl.Series


class Provenance(Struct, frozen=True, kw_only=True):
    """Where a set says that it comes from.

    Attributes:
        path: the file the pairs were read from.
        manifest: the JSON of the manifest beside it, if there is one.
    """

    path: str
    manifest: dict[str, Any] | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """What rules look at.

    Attributes:
        pairs: the canonical columns and `index`, the row's position from 0.
        ties: pairs of completions that were found equal, columns as in `prefdata.frame.TIES`.
        against: the other set, for rules that compare two.
        tokens: one row a pair, in the order of `pairs`, as `prefdata.tokens` measures it.
        benchmarks: evaluation sets to look for in the pairs.
        provenance: where the set comes from; one for each file that was read.
        scores: what models say about the pairs, as `prefdata.scores.read_scores` returns it.
    """

    pairs: pl.DataFrame
    ties: pl.DataFrame | None = None
    against: pl.DataFrame | None = None
    tokens: pl.DataFrame | None = None
    benchmarks: tuple[Benchmark, ...] | None = None
    provenance: tuple[Provenance, ...] | None = None
    scores: pl.DataFrame | None = None
    _measured: dict[Any, Any] = field(default_factory=dict)

    def once(
        self, measure: Callable[Concatenate[Evidence, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Returns `measure(self, ...)`, computed at the first call with these arguments.

        Args:
            measure: a pure function that several rules share.
            args: its other arguments; hashable.
            kwargs: likewise.
        """
        key = (measure, args, tuple(sorted(kwargs.items())))
        if key not in self._measured:
            self._measured[key] = measure(self, *args, **kwargs)
        return cast(T, self._measured[key])


class Estimate(NamedTuple):
    """One number about a whole set with its 95 % interval.

    Attributes:
        value: the number.
        low: lower end of the interval.
        high: upper end.
        message: the sentence that says it; `{}` stands for the number.
        percent: whether the number is a share.
    """

    value: float
    low: float
    high: float
    message: str
    percent: bool = True


class Rule(Struct, frozen=True, kw_only=True):
    """A rule's facts; the subclasses say how it is found."""

    code: str
    name: str
    level: Level
    fix: Fix | None = None
    since: str = "0.1"
    page: str
    kind: Kind = "read"
    needs: Need | None = None
    settings: type[Struct] | None = None

    @property
    def summary(self) -> str:
        """Returns the first line of the page."""
        return self.page.partition("\n")[0]


class RowRule(Rule, frozen=True, kw_only=True):
    """`broken` is true where a row breaks the rule; `message` is evaluated on those rows only."""

    broken: Callable[..., pl.Expr]
    message: pl.Expr | str


class SetRule(Rule, frozen=True, kw_only=True):
    """`find` returns one row a finding: `index` (u32), `message` (str), perhaps `value` (f64)."""

    find: Callable[..., pl.DataFrame]


class DatasetRule(Rule, frozen=True, kw_only=True):
    """`estimate` is compared with `limit`; None where the set cannot be measured.

    With bound `max` the rule is broken when the whole interval lies above the limit, with `min` when
    it lies below.
    """

    estimate: Callable[..., Estimate | None]
    limit: float
    bound: Bound = "max"


RULES: Registry[Rule] = Registry("rule", "prefdata.checks")

Broken = TypeVar("Broken", bound="Callable[..., pl.Expr]")
Finder = TypeVar("Finder", bound="Callable[..., pl.DataFrame]")
Estimator = TypeVar("Estimator", bound="Callable[..., Estimate | None]")

DEFAULTS: Mapping[str, Struct] = MappingProxyType({})


def _page(module: str) -> str:
    return (sys.modules[module].__doc__ or "").strip()


def read_rule(code: str, name: str, *, module: str, level: Level = "error") -> Rule:
    """Registers a rule that readers report by raising `BadRecord(name, ...)`."""
    rule = Rule(code=code, name=name, level=level, page=_page(module))
    RULES.add(name, rule, module)
    return rule


def row_rule(
    code: str,
    name: str,
    *,
    level: Level,
    message: pl.Expr | str,
    fix: Fix | None = None,
    tokens: bool = False,
    settings: type[Struct] | None = None,
) -> Callable[[Broken], Broken]:
    """Registers a function that returns the expression which is true where the rule is broken.

    With `tokens` the expressions run over the token columns instead of the canonical ones. With
    `settings` the function takes an instance of them.
    """

    def register(broken: Broken) -> Broken:
        rule = RowRule(
            code=code,
            name=name,
            level=level,
            fix=fix,
            page=_page(broken.__module__),
            kind="token" if tokens else "row",
            needs="tokens" if tokens else None,
            settings=settings,
            broken=broken,
            message=message,
        )
        RULES.add(name, rule, broken.__module__)
        return broken

    return register


def set_rule(
    code: str,
    name: str,
    *,
    level: Level,
    fix: Fix | None = None,
    needs: Need | None = None,
    settings: type[Struct] | None = None,
) -> Callable[[Finder], Finder]:
    """Registers a function of the evidence, and of its settings, that finds rows."""

    def register(find: Finder) -> Finder:
        page = _page(find.__module__)
        rule = SetRule(
            code=code,
            name=name,
            level=level,
            fix=fix,
            page=page,
            kind="set",
            needs=needs,
            settings=settings,
            find=find,
        )
        RULES.add(name, rule, find.__module__)
        return find

    return register


def dataset_rule(
    code: str,
    name: str,
    *,
    level: Level,
    limit: float,
    bound: Bound = "max",
    settings: type[Struct] | None = None,
) -> Callable[[Estimator], Estimator]:
    """Registers a function of the evidence, and of its settings, that measures the whole set."""

    def register(estimate: Estimator) -> Estimator:
        page = _page(estimate.__module__)
        rule = DatasetRule(
            code=code,
            name=name,
            level=level,
            page=page,
            kind="dataset",
            settings=settings,
            estimate=estimate,
            limit=limit,
            bound=bound,
        )
        RULES.add(name, rule, estimate.__module__)
        return estimate

    return register


def find_rule(word: str) -> Rule:
    """Returns the rule of this name or code.

    Raises:
        PrefError: there is none; the hint names the closest one.
    """
    rules = {key: rule for rule in RULES for key in (rule.name, rule.code)}
    found = rules.get(word) or rules.get(word.upper())
    if found is None:
        hint = did_you_mean(word, list(rules)) or "`prefdata explain --all` lists them"
        raise PrefError(f"there is no rule '{word}'", hint=hint)
    return found


def matching(words: Iterable[str]) -> set[str]:
    """Returns the names of the rules meant by names, codes and family prefixes such as PD2.

    Raises:
        PrefError: a word means no rule.
    """
    names: set[str] = set()
    for word in words:
        family = {rule.name for rule in RULES if rule.code[:-2] == word.upper()}
        names |= family or {find_rule(word).name}
    return names


def indexed(pairs: pl.DataFrame) -> pl.DataFrame:
    """Returns the canonical columns of `pairs` as rules see them: with `index`, in one chunk."""
    return pairs.select(PAIRS.names).rechunk().with_row_index("index")


def arguments(rule: Rule, settings: Mapping[str, Struct] = DEFAULTS) -> tuple[Struct, ...]:
    """Returns what the function of a rule takes after the evidence: its settings, if it has any."""
    if rule.settings is None:
        return ()
    return (settings[rule.name] if rule.name in settings else rule.settings(),)


def broken_rows(
    rules: list[RowRule], frame: pl.DataFrame, settings: Mapping[str, Struct] = DEFAULTS
) -> dict[str, pl.DataFrame]:
    """Returns rule name -> `index` and `message` of the rows that break it.

    All expressions are evaluated in one `select` over `frame`, which must have an `index` column;
    messages are made for the rows found, which are few.
    """
    import polars as pl

    masks = frame.select(
        rule.broken(*arguments(rule, settings)).fill_null(value=False).alias(rule.name)
        for rule in rules
    )
    found = {}
    for rule in rules:
        message = pl.lit(rule.message) if isinstance(rule.message, str) else rule.message
        needed = {"index", *message.meta.root_names()}  # no text is copied that no message quotes
        # one chunk: polars 2.1 panics where it formats columns whose chunks do not line up
        rows = frame.select(needed).filter(masks[rule.name]).rechunk()
        found[rule.name] = rows.select("index", message=message)
    return found


def found_rows(
    rule: Rule, evidence: Evidence, settings: Mapping[str, Struct] = DEFAULTS
) -> pl.DataFrame:
    """Returns the rows that one row or set rule finds: `index`, `message`, perhaps `value`."""
    if isinstance(rule, RowRule):
        return broken_rows([rule], evidence.pairs, settings)[rule.name]
    if isinstance(rule, SetRule):
        return rule.find(evidence, *arguments(rule, settings))
    raise PrefError(f"{rule.name} does not point at rows of a set")
