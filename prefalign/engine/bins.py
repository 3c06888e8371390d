"""Dividing the pairs of a global batch among forward passes, so that all cost about the same."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from prefalign.engine.tree import Ints


class Limits(NamedTuple):
    """What one forward pass may hold.

    Attributes:
        pairs: at most; None for any number.
        tokens: at most, prompts that stand once counted once; None for any number. A pair with more
            than that goes alone.
    """

    pairs: int | None = None
    tokens: int | None = None


class Costs(NamedTuple):
    """Tokens of P pairs.

    Attributes:
        prompt_ids: (P,) equal for pairs with the same prompt.
        prompts: (P,) tokens of the prompt.
        completions: (P,) tokens of both completions.
    """

    prompt_ids: Ints
    prompts: Ints
    completions: Ints

    def total(self, pairs: Ints) -> int:
        """Returns the tokens of `pairs`: each prompt once, completions once a pair."""
        _, firsts = np.unique(self.prompt_ids[pairs], return_index=True)
        return int(self.prompts[pairs[firsts]].sum() + self.completions[pairs].sum())


def by_cost(costs: Costs, pairs: Ints, limits: Limits, multiple: int) -> list[Ints]:
    """Returns bins of equal cost, as few as the limits allow, costliest first.

    Pairs with the same prompt stay together where they can. Units go, the largest first, to the bin
    with the lowest cost so far (LPT, Graham 1969: no bin above 4/3 of the optimum).

    Args:
        costs: of all pairs there are.
        pairs: those to divide.
        limits: of a bin.
        multiple: the number of bins is one of this; some may stay empty.
    """
    units = list(_units(costs, pairs, limits))
    weights = [costs.total(unit) for unit in units]
    fewest = max(
        -(-len(pairs) // (limits.pairs or len(pairs))),
        -(-sum(weights) // (limits.tokens or sum(weights))),
    )
    bins = -(-min(fewest, len(units)) // multiple) * multiple
    while not _fit(filled := _longest_first(units, weights, bins), units, weights, limits):
        bins += multiple * max(1, bins // (32 * multiple))
    filled.sort(key=lambda filling: -sum(weights[unit] for unit in filling))
    none = np.empty(0, np.int64)
    return [np.concatenate([none, *(units[unit] for unit in filling)]) for filling in filled]


def by_length(lengths: Ints, pairs: Ints, limits: Limits, multiple: int) -> list[Ints]:
    """Returns bins of similar lengths, for rows that are padded to the longest; longest first.

    Args:
        lengths: tokens of the longer side of every pair there is.
        pairs: those to divide.
        limits: of a bin; padding counts as tokens.
        multiple: the number of bins is one of this; some may stay empty.
    """
    longest_first = pairs[np.argsort(-lengths[pairs], kind="stable")]
    most = limits.pairs or len(pairs)
    if limits.tokens:
        most = min(most, max(1, limits.tokens // (2 * int(lengths[longest_first[0]]))))
    bins = -(-len(pairs) // (most * multiple)) * multiple
    return np.array_split(longest_first, bins)


def _units(costs: Costs, pairs: Ints, limits: Limits) -> Iterator[Ints]:
    """Yields the pairs of each prompt, cut where a bin would be full."""
    by_prompt = pairs[np.argsort(costs.prompt_ids[pairs], kind="stable")]
    changes = np.flatnonzero(np.diff(costs.prompt_ids[by_prompt])) + 1
    for unit in np.split(by_prompt, changes):
        start = 0
        for end in range(1, len(unit)):
            full = limits.pairs is not None and end - start == limits.pairs
            if full or (limits.tokens and costs.total(unit[start : end + 1]) > limits.tokens):
                yield unit[start:end]
                start = end
        yield unit[start:]


def _longest_first(units: list[Ints], weights: list[int], bins: int) -> list[list[int]]:
    """Returns the numbers of the units in each bin."""
    filled: list[list[int]] = [[] for _ in range(bins)]
    lightest = [(0, 0, number) for number in range(bins)]  # cost, pairs, bin
    for unit in sorted(range(len(units)), key=lambda unit: -weights[unit]):
        cost, pairs, number = heapq.heappop(lightest)
        filled[number].append(unit)
        heapq.heappush(lightest, (cost + weights[unit], pairs + len(units[unit]), number))
    return filled


def _fit(filled: list[list[int]], units: list[Ints], weights: list[int], limits: Limits) -> bool:
    """Returns whether every bin is within the limits or holds a single unit."""
    for filling in filled:
        pairs = sum(len(units[unit]) for unit in filling)
        tokens = sum(weights[unit] for unit in filling)
        too_many = limits.pairs is not None and pairs > limits.pairs
        too_long = limits.tokens is not None and tokens > limits.tokens
        if len(filling) > 1 and (too_many or too_long):
            return False
    return True
