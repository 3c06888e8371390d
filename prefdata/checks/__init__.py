"""Rules: one module is one rule, and knows nothing of the others.

A module's docstring is the rule's page (`prefdata explain NAME`); its sections are "What it does",
"Why is this bad?", "Example" and "Fix", and the example must trigger the rule. There are five
kinds:

    read       found while a file is read and converted; the reader raises `BadRecord(name, ...)`
    row        a boolean expression over the canonical columns; all of them run in one pass
    set        looks across rows; returns the rows it finds
    dataset    one number about the whole set, with a 95 % interval and a limit
    token      a boolean expression over the rendered tokens; needs a tokenizer

so that a rule is as small as

    '''Chosen and rejected are the same. ...'''

    @row_rule("PD201", "identical-pair", level="error", message="both sides are the same")
    def identical_pair() -> pl.Expr:
        return pl.col("chosen").eq_missing(pl.col("rejected"))

Codes are never reused; a name makes sense when read as "allow NAME".
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from prefdata.errors import PrefError
from prefdata.frame import PAIRS
from prefdata.registry import Registry, did_you_mean
from prefdata.types import Level

if TYPE_CHECKING:
    import polars as pl

Kind: TypeAlias = Literal["read", "row", "set", "dataset", "token"]
Need: TypeAlias = Literal["against", "tokens"]


class Fix(NamedTuple):
    """What curation does about a finding. A safe fix runs unasked; an unsafe one only by name."""

    safety: Literal["safe", "unsafe"]
    action: Literal["drop"]


SAFE_DROP = Fix("safe", "drop")
UNSAFE_DROP = Fix("unsafe", "drop")


class Evidence(Struct, frozen=True, kw_only=True):
    """What rules look at.

    Attributes:
        pairs: the canonical columns and `index`, the row's position from 0.
        against: the other set, for rules that compare two.
        tokens: one row a pair, in the order of `pairs`, as `prefdata.tokens` measures it.
    """

    pairs: pl.DataFrame
    against: pl.DataFrame | None = None
    tokens: pl.DataFrame | None = None


class Estimate(NamedTuple):
    """One number about a whole set with its 95 % interval, and the sentence that says it."""

    value: float
    low: float
    high: float
    message: str


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

    @property
    def summary(self) -> str:
        """Returns the first line of the page."""
        return self.page.partition("\n")[0]


class RowRule(Rule, frozen=True, kw_only=True):
    """`broken` is true where a row breaks the rule; `message` is evaluated on those rows only."""

    broken: Callable[[], pl.Expr]
    message: pl.Expr | str


class SetRule(Rule, frozen=True, kw_only=True):
    """`find` returns one row a finding: `index` (u32), `message` (str), perhaps `value` (f64)."""

    find: Callable[[Evidence], pl.DataFrame]


class DatasetRule(Rule, frozen=True, kw_only=True):
    """`estimate` is compared with `limit`; None where the set cannot be measured."""

    estimate: Callable[[pl.DataFrame], Estimate | None]
    limit: float


RULES: Registry[Rule] = Registry("rule", "prefdata.checks")


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
) -> Callable[[Callable[[], pl.Expr]], Callable[[], pl.Expr]]:
    """Registers a function that returns the expression which is true where the rule is broken.

    With `tokens` the expressions run over the token columns instead of the canonical ones.
    """

    def register(broken: Callable[[], pl.Expr]) -> Callable[[], pl.Expr]:
        rule = RowRule(
            code=code,
            name=name,
            level=level,
            fix=fix,
            page=_page(broken.__module__),
            kind="token" if tokens else "row",
            needs="tokens" if tokens else None,
            broken=broken,
            message=message,
        )
        RULES.add(name, rule, broken.__module__)
        return broken

    return register


SetFinder: TypeAlias = "Callable[[Evidence], pl.DataFrame]"


def set_rule(
    code: str, name: str, *, level: Level, fix: Fix | None = None, needs: Need | None = None
) -> Callable[[SetFinder], SetFinder]:
    """Registers a function that finds rows by looking at the whole set."""

    def register(find: SetFinder) -> SetFinder:
        page = _page(find.__module__)
        rule = SetRule(
            code=code,
            name=name,
            level=level,
            fix=fix,
            page=page,
            kind="set",
            needs=needs,
            find=find,
        )
        RULES.add(name, rule, find.__module__)
        return find

    return register


Estimator: TypeAlias = "Callable[[pl.DataFrame], Estimate | None]"


def dataset_rule(
    code: str, name: str, *, level: Level, limit: float
) -> Callable[[Estimator], Estimator]:
    """Registers a function that measures the whole set; beyond `limit` the rule is broken."""

    def register(estimate: Estimator) -> Estimator:
        page = _page(estimate.__module__)
        rule = DatasetRule(
            code=code,
            name=name,
            level=level,
            page=page,
            kind="dataset",
            estimate=estimate,
            limit=limit,
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


def broken_rows(rules: list[RowRule], frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Returns rule name -> `index` and `message` of the rows that break it.

    All expressions are evaluated in one `select` over `frame`, which must have an `index` column;
    messages are made for the rows found, which are few.
    """
    import polars as pl

    masks = frame.select(rule.broken().fill_null(value=False).alias(rule.name) for rule in rules)
    found = {}
    for rule in rules:
        message = pl.lit(rule.message) if isinstance(rule.message, str) else rule.message
        # one chunk: polars 2.1 panics where it formats columns whose chunks do not line up
        rows = frame.filter(masks[rule.name]).rechunk()
        found[rule.name] = rows.select("index", message=message)
    return found


def found_rows(rule: Rule, evidence: Evidence) -> pl.DataFrame:
    """Returns the rows that one row or set rule finds: `index`, `message`, perhaps `value`."""
    if isinstance(rule, RowRule):
        return broken_rows([rule], evidence.pairs)[rule.name]
    if isinstance(rule, SetRule):
        return rule.find(evidence)
    raise PrefError(f"{rule.name} does not point at rows of a set")
