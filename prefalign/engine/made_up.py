"""Pairs of random tokens, to try a model on before there is data."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_LONGEST = 96  # tokens of a prompt or a completion


def made_up_pairs(vocabulary: int, *, prompts: int = 2, completions: int = 3) -> pa.Table:
    """Returns, in the columns of a token store, all pairs of some completions of each of some prompts.

    Args:
        vocabulary: tokens of the model.
        prompts: of different lengths.
        completions: of each prompt.
    """
    rng = np.random.default_rng(0)

    def text(shortest: int) -> list[int]:
        ids: list[int] = rng.integers(0, vocabulary, rng.integers(shortest, _LONGEST)).tolist()
        return ids

    rows: list[tuple[str, list[int], list[int], list[int]]] = []
    for _ in range(prompts):
        prompt, answers = text(8), [text(1) for _ in range(completions)]
        rows += [
            (f"{len(rows) + number:032x}", prompt, chosen, rejected)
            for number, (chosen, rejected) in enumerate(
                (answers[i], answers[j]) for i in range(completions) for j in range(i)
            )
        ]
    ids, *columns = zip(*rows, strict=True)
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    lists = (pa.array(column, pa.list_(pa.int32())) for column in columns)
    return pa.table({"id": pa.array(ids), **dict(zip(names, lists, strict=True))})
