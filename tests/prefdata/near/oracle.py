"""Shingles and Jaccard similarity written down a second time, plainly, and real texts to use them on."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import combinations
from pydoc_data.topics import topics  # real prose that every Python holds
from random import Random
from unicodedata import normalize

Edges = dict[tuple[int, int], float]

SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]")


def shingle_set(text: str, size: int = 5) -> frozenset[tuple[str, ...]]:
    plain = SPACELESS.sub(r" \g<0> ", normalize("NFKC", text).lower())
    words = re.findall(r"(?:[^\W_]|[\u0900-\u097f])+", plain)  # with Devanagari's marks
    if len(words) >= size:
        return frozenset(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    characters = " ".join(normalize("NFKC", text).casefold().split())
    last = max(len(characters) - size, 0)
    return frozenset((characters[i : i + size],) for i in range(last + 1))


def jaccard(left: frozenset[tuple[str, ...]], right: frozenset[tuple[str, ...]]) -> float:
    return len(left & right) / len(left | right)


def all_pairs(texts: list[str], threshold: float) -> Edges:
    """Every pair of texts at least so similar; those that share no shingle are not."""
    sets = [shingle_set(text) for text in texts]
    holders = defaultdict(list)
    for number, found in enumerate(sets):
        for shingle in found:
            holders[shingle].append(number)
    shared = Counter(pair for numbers in holders.values() for pair in combinations(numbers, 2))
    similar = {pair: jaccard(sets[pair[0]], sets[pair[1]]) for pair in shared}
    return {pair: value for pair, value in similar.items() if value >= threshold}


def paragraphs() -> list[str]:
    """Real paragraphs, no two alike."""
    found = (part.strip() for topic in topics.values() for part in topic.split("\n\n"))
    return sorted({part for part in found if len(part.split()) >= 20})


def edited(text: str, random: Random) -> str:
    """The text with one to four consecutive words replaced by another."""
    words = text.split(" ")
    place = random.randrange(len(words))
    words[place : place + random.randint(1, 4)] = [f"word{random.randrange(10**6)}"]
    return " ".join(words)
