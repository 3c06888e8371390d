"""Rankings and votes to pairs by a named policy, and how many pairs each policy would give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, pairwise
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import xxhash
from msgspec import Struct

from prefdata.errors import BadRecord
from prefdata.schema import prompt_id
from prefdata.types import (
    Candidate,
    Choice,
    Comparison,
    Context,
    Messages,
    Pair,
    Ranking,
    Rating,
    Tie,
    Vote,
)

Policy: TypeAlias = Literal["every", "adjacent", "best-worst", "best-random"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

TiePolicy: TypeAlias = Literal["keep", "drop", "quarantine"]
TIE_POLICIES: tuple[TiePolicy, ...] = get_args(TiePolicy)

Outcome: TypeAlias = Pair | Tie | Rating


class Pairing(Struct, frozen=True, kw_only=True):
    """How rankings and votes become pairs.

    Attributes:
        by: which couples of a ranking are looked at. `every`: all of them. `adjacent`: neighbours in
            rank order. `best-worst`: the first and the last. `best-random`: the first and one of the
            others, drawn by `seed` and the prompt's own hash, so the same on every machine.
        min_margin: the smallest difference of scores, in the units of the source, that makes a pair.
            Equal scores are a tie all the same.
        max_per_prompt: the most pairs that one ranking may give, those of the largest margins.
        ties: what becomes of ties. `keep`: they are written beside the pairs. `drop`: they are left
            out. `quarantine`: a row that says nothing else is set aside.
        min_agreement: the smallest share of the votes, 0 to 1, that makes a pair; more than one half
            is always needed.
        seed: of `best-random`, at least 0.
        weights: whether each pair of a ranking carries `pair_weight`, one over their number, in its
            meta: pairs of one ranking are correlated, and so a prompt with many answers counts once.
            (InstructGPT, arXiv:2203.02155, section 3.5, makes them one batch element for that.)
    """

    by: Policy = "every"
    min_margin: float | None = None
    max_per_prompt: int | None = None
    ties: TiePolicy = "keep"
    min_agreement: float | None = None
    seed: int = 0
    weights: bool = False


EVERY_PAIR = Pairing()


class Couple(NamedTuple):
    """Two places in the rank order, the better one first, and by how much it is better."""

    better: int
    worse: int
    margin: float


class Couples(NamedTuple):
    """What a policy makes of a ranking.

    Attributes:
        kept: the couples that become pairs, or ties where the margin is 0, in rank order.
        left_over: the places that were looked at, or that had nothing to be looked at with, and are
            in no couple that was kept; in rank order.
    """

    kept: list[Couple]
    left_over: list[int]

    @property
    def pairs(self) -> int:
        """Returns how many of them are pairs."""
        return sum(couple.margin > 0 for couple in self.kept)


def couples(scores: Sequence[float], pairing: Pairing, prompt: Callable[[], str]) -> Couples:
    """Returns the couples of a ranking that become pairs and ties.

    Args:
        scores: of the candidates in rank order, the best first.
        pairing: how.
        prompt: gives the prompt_id, for `best-random`.
    """
    looked_at = _looked_at(scores, pairing.by, pairing.seed, prompt)
    kept = sorted([c for c in looked_at if c.margin == 0] + _strict(looked_at, pairing))
    left_over = (_places(looked_at) or set(range(len(scores)))) - _places(kept)
    return Couples(kept, sorted(left_over))


def pair_up(ranking: Ranking, pairing: Pairing) -> Iterator[Outcome]:
    """Yields the pairs, ties and left-over ratings of a ranking.

    Equal scores give a tie, never a pair. A candidate is yielded as a rating if it has no score, or
    no other to be compared with, or if all couples it was looked at in gave way to `min_margin` or
    `max_per_prompt`. The result does not depend on the order of the candidates.
    """
    ranked = _ranked(ranking)
    found = couples([_score(c) for c in ranked], pairing, partial(_prompt, ranking))
    unranked = [c for c in ranking.candidates if c.score is None]
    for candidate in (*unranked, *(ranked[place] for place in found.left_over)):
        yield _rating(ranking, candidate)
    weight = 1 / found.pairs if pairing.weights and found.pairs else None
    for couple in found.kept:
        better, worse = ranked[couple.better], ranked[couple.worse]
        if couple.margin > 0:
            yield _pair(ranking, better, worse, couple.margin, weight)
        else:
            yield _tie(ranking, better, worse)


def count_pairs(ranking: Ranking, pairing: Pairing = EVERY_PAIR) -> dict[Policy, int]:
    """Returns how many pairs each policy makes of a ranking, all else as in `pairing`."""
    scores, prompt = [_score(c) for c in _ranked(ranking)], partial(_prompt, ranking)
    return {
        policy: len(_strict(_looked_at(scores, policy, pairing.seed, prompt), pairing))
        for policy in POLICIES
    }


def settle_ties(outcomes: Sequence[Outcome], pairing: Pairing) -> list[Outcome]:
    """Returns what one row became under the tie policy; nothing if it was ties, and they are dropped.

    Raises:
        BadRecord: `tied-label` if the row holds ties, no pair, and they are to be quarantined.
    """
    tied = any(isinstance(outcome, Tie) for outcome in outcomes)
    if not tied or pairing.ties == "keep":
        return list(outcomes)
    if pairing.ties == "drop":
        return [outcome for outcome in outcomes if not isinstance(outcome, Tie)]
    if not any(isinstance(outcome, Pair) for outcome in outcomes):
        raise BadRecord("tied-label", "the answers are tied (--ties quarantine)")
    return list(outcomes)


def decide(comparison: Comparison, pairing: Pairing) -> Pair | Tie:
    """Returns what more than half of the votes say, and `min_agreement` of them: a pair, or a tie.

    A majority for the tie gives the `tie_kind` tie, no majority at all no-majority, one that is too
    small low-agreement. All votes are kept, turned so that they speak of chosen and rejected.
    """
    (choice, count), *_ = Counter(vote.choice for vote in comparison.votes).most_common(1)
    share = count / len(comparison.votes)
    if share <= 0.5:
        return _undecided(comparison, "no-majority")
    if choice == "tie":
        return _undecided(comparison, "tie")
    if pairing.min_agreement is not None and share < pairing.min_agreement:
        return _undecided(comparison, "low-agreement")
    return _decided(comparison, choice)


def _undecided(comparison: Comparison, tie_kind: str) -> Tie:
    return Tie(
        first=comparison.first,
        second=comparison.second,
        tie_kind=tie_kind,
        first_score=comparison.first_score,
        second_score=comparison.second_score,
        first_model=comparison.first_model,
        second_model=comparison.second_model,
        votes=comparison.votes,
        **_of_comparison(comparison),
    )


def _decided(comparison: Comparison, choice: Choice) -> Pair:
    chosen, rejected = ("first", "second") if choice == "chosen" else ("second", "first")
    shown, votes = comparison.first_shown_first, comparison.votes
    return Pair(
        chosen=getattr(comparison, chosen),
        rejected=getattr(comparison, rejected),
        chosen_score=getattr(comparison, f"{chosen}_score"),
        rejected_score=getattr(comparison, f"{rejected}_score"),
        chosen_model=getattr(comparison, f"{chosen}_model"),
        rejected_model=getattr(comparison, f"{rejected}_model"),
        chosen_first=shown if shown is None or chosen == "first" else not shown,
        votes=votes if chosen == "first" else tuple(map(turned, votes)),
        **_of_comparison(comparison),
    )


def _of_comparison(comparison: Comparison) -> dict[str, Any]:
    return {name: getattr(comparison, name) for name in Context.__struct_fields__}


_OTHER: dict[Choice, Choice] = {"chosen": "rejected", "rejected": "chosen", "tie": "tie"}


def turned(vote: Vote) -> Vote:
    """Returns a vote as it reads when its two sides change places."""
    return Vote(_OTHER[vote.choice], vote.annotator, vote.strength)


def _ranked(ranking: Ranking) -> list[Candidate]:
    """Returns the candidates that have a score, the best first, those of one score by their text."""
    scored = [c for c in ranking.candidates if c.score is not None]
    if len({c.score for c in scored}) == len(scored):
        return sorted(scored, key=_score, reverse=True)
    return sorted(scored, key=lambda c: (-_score(c), text_order(c.completion, c.model)))


def _score(candidate: Candidate) -> float:
    return candidate.score if candidate.score is not None else float("-inf")


def text_order(completion: Messages, model: str | None) -> tuple[str, ...]:
    """Returns what puts candidates of one score into an order."""
    said = (text for m in completion for text in (m.role, m.content, m.tool_calls))
    return (*(text or "" for text in said), model or "")


def _looked_at(
    scores: Sequence[float], policy: Policy, seed: int, prompt: Callable[[], str]
) -> list[Couple]:
    """Returns the couples that a policy looks at, in rank order."""
    last = len(scores) - 1
    places: Iterator[tuple[int, int]]
    if last < 1:
        return []
    if policy == "every":
        places = combinations(range(last + 1), 2)
    elif policy == "adjacent":
        places = pairwise(range(last + 1))
    elif policy == "best-worst":
        places = iter([(0, last)])
    else:
        draw = xxhash.xxh3_64_intdigest(prompt().encode(), seed)
        places = iter([(0, 1 + draw % last)])
    return [Couple(b, w, scores[b] - scores[w]) for b, w in places]


def _prompt(ranking: Ranking) -> str:
    return prompt_id(ranking.prompt, ranking.tools)


def _strict(couples: Sequence[Couple], pairing: Pairing) -> list[Couple]:
    """Returns the couples that become pairs, those of the largest margins where they are capped."""
    least, most = pairing.min_margin or 0, pairing.max_per_prompt
    pairs = [couple for couple in couples if 0 < couple.margin >= least]
    return pairs if most is None else sorted(pairs, key=lambda couple: -couple.margin)[:most]


def _places(couples: Sequence[Couple]) -> set[int]:
    return {place for couple in couples for place in (couple.better, couple.worse)}


def _context(ranking: Ranking, **additions: object) -> dict[str, Any]:
    return {
        "prompt": ranking.prompt,
        "tools": ranking.tools,
        "chat_template_kwargs": ranking.chat_template_kwargs,
        "images": ranking.images,
        "origin": ranking.origin,
        "meta": with_additions(ranking.meta, additions),
    }


def with_additions(meta: dict[str, Any], additions: Mapping[str, object]) -> dict[str, Any]:
    """Returns the meta of a ranking with what its pairs, ties and ratings add, such as `chosen`.

    A source column of the same name stays where it is, and the addition moves over.
    """
    return meta | {
        f"{name}_of_ranking" if name in meta else name: value
        for name, value in additions.items()
        if value
    }


def _pair(
    ranking: Ranking, better: Candidate, worse: Candidate, margin: float, weight: float | None
) -> Pair:
    return Pair(
        chosen=better.completion,
        rejected=worse.completion,
        chosen_score=better.score,
        rejected_score=worse.score,
        margin=margin,
        chosen_model=better.model,
        rejected_model=worse.model,
        **_context(ranking, chosen=better.meta, rejected=worse.meta, pair_weight=weight),
    )


def _tie(ranking: Ranking, first: Candidate, second: Candidate) -> Tie:
    return Tie(
        first=first.completion,
        second=second.completion,
        tie_kind="equal-scores",
        first_score=first.score,
        second_score=second.score,
        first_model=first.model,
        second_model=second.model,
        **_context(ranking, first=first.meta, second=second.meta),
    )


def _rating(ranking: Ranking, candidate: Candidate) -> Rating:
    return Rating(
        completion=candidate.completion,
        score=candidate.score,
        model=candidate.model,
        **_context(ranking, completion=candidate.meta),
    )
