"""Any order, packing, number of processes or micro-batches gives the loss and gradient of plain rows."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from prefalign.engine.attention import attend_to_trees
from prefalign.engine.bins import Limits
from prefalign.engine.logps import score_tokens
from prefalign.engine.tree import Layout
from prefalign.losses import LossParams, loss_of
from prefalign.losses.dpo import Dpo
from prefalign.losses.orpo import Orpo
from prefalign.losses.simpo import Simpo
from prefdata.tokens import truncate
from prefdata.tokens.render import TOKENS
from tests.prefalign.engine.steps import data_for, engine_step, global_batches, plain_step, short

VOCABULARY = 5
MOST = 1e-9  # relative, of numbers in float64
METHODS: list[LossParams] = [
    Dpo(),
    Dpo(loss="ipo"),
    Dpo(labels="votes"),
    Dpo(loss={"sigmoid": 0.7, "sft": 0.4}, ld_alpha=0.3),
    Dpo(loss="apo_zero", wpo=True),
    Dpo(loss=["aot", "sft"]),
    Dpo(loss="aot_unpaired", ld_alpha=0.6),
    Orpo(lambda_=0.5),
    Orpo(nll_over="completion"),
    Simpo(),
]


@pytest.fixture(scope="module")
def model() -> Any:
    """A GPT-2 small enough for thousands of sequences; nothing in it rounds to float32."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=8, n_layer=1, n_head=2, n_positions=16, initializer_range=0.5,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).double().eval()
    score_tokens(model)
    attend_to_trees(model)
    return model


class Pair(NamedTuple):
    """Token ids."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


class Cut(NamedTuple):
    """How a set is divided."""

    size: int = 99
    limits: Limits = Limits()
    processes: int = 1
    layout: Layout = "shared"


# few different tokens: prompts and completions repeat, and completions begin like others
tokens = st.integers(0, VOCABULARY - 2)
pairs = st.builds(
    Pair,
    st.lists(tokens, max_size=3),
    st.lists(tokens, min_size=1, max_size=4),
    st.lists(tokens, min_size=1, max_size=4),
)
cuts = st.builds(
    Cut,
    st.integers(1, 8),
    st.builds(Limits, st.none() | st.integers(1, 4), st.none() | st.integers(1, 20)),
    st.integers(1, 3),
    st.sampled_from(["shared", "packed", "padded"]),
)

ONE_TOKEN = [Pair([1], [2], [3]), Pair([1, 2], [3], [0])]
NO_PROMPT = [Pair([], [1, 2], [1, 3]), Pair([], [2, 2, 1], [1, 1]), Pair([0], [1], [2])]
A_BEGINNING = [
    Pair([1], [2, 3], [2, 3, 1, 1]),
    Pair([1], [2, 3, 1], [2]),
    Pair([1, 2], [3], [3, 1]),
]
SAME_PROMPT = [
    Pair([1, 2], [3], [0]),
    Pair([3], [1], [2]),
    Pair([1, 2], [0, 1], [3]),
    Pair([1, 2], [3], [1]),
]
RANKING = [
    Pair([2, 1], list(a), list(b)) for a, b in combinations(([3, 3], [3, 1], [0], [2, 0, 1]), 2)
]


def table_of(given_pairs: list[Pair]) -> pa.Table:
    """Returns the pairs as a token store has them."""
    prompts, chosen, rejected = (list(column) for column in zip(*given_pairs, strict=True))
    names = [f"{number:032x}" for number in range(len(given_pairs))]
    return pa.table([names, prompts, chosen, rejected], schema=TOKENS)


def check(model: Any, table: pa.Table, params: LossParams, cut: Cut) -> None:
    """Fails where a global batch has not the loss and gradient of its pairs, one by one."""
    rng = np.random.default_rng(0)
    facts = loss_of(params).facts
    columns = 4 if facts.needs_tails else 2
    reference = -rng.uniform(1, 6, (len(table), columns)) if facts.needs_reference else None
    votes = rng.uniform(size=len(table)) if facts.needs_label_probability else None
    data = data_for(params, table, cut.layout, reference, votes)
    assume(all((data.scored_tokens(side) > 0).all() for side in (0, 1)))
    for micros in global_batches(data, cut.size, cut.limits, cut.processes):
        found = engine_step(model, data, micros, params)
        found.assert_close(plain_step(model, data, micros, params), MOST)


@pytest.mark.parametrize("params", METHODS, ids=short)
@settings(max_examples=8)
@given(given_pairs=st.lists(pairs, min_size=1, max_size=6), cut=cuts)
@example(given_pairs=ONE_TOKEN, cut=Cut(limits=Limits(pairs=1)))
@example(given_pairs=NO_PROMPT, cut=Cut(limits=Limits(pairs=2)))
@example(given_pairs=A_BEGINNING, cut=Cut(processes=2))
@example(given_pairs=SAME_PROMPT, cut=Cut(size=2))
@example(given_pairs=RANKING, cut=Cut())
@example(given_pairs=RANKING, cut=Cut(limits=Limits(tokens=9), processes=3, layout="packed"))
def test_a_step_is_that_of_plain_rows(
    model: Any, params: LossParams, given_pairs: list[Pair], cut: Cut
) -> None:
    check(model, table_of(given_pairs), params, cut)


@settings(max_examples=30)
@given(
    given_pairs=st.lists(pairs, min_size=1, max_size=6),
    params=st.sampled_from(METHODS),
    cut=cuts,
    max_length=st.integers(2, 7),
    truncation=st.sampled_from(["drop", "keep_start", "keep_end"]),
)
def test_max_length_may_cut_anywhere(
    model: Any,
    given_pairs: list[Pair],
    params: LossParams,
    cut: Cut,
    max_length: int,
    truncation: Any,
) -> None:
    table = truncate(table_of(given_pairs), max_length, truncation).table
    assume(len(table))
    check(model, table, params, cut)


@pytest.mark.parametrize("params", METHODS, ids=short)
def test_a_ranking_costs_less_and_loses_the_same(model: Any, params: LossParams) -> None:
    table = table_of(RANKING)
    reference = -np.random.default_rng(0).uniform(1, 6, (len(table), 4))
    steps, tokens_read = [], []
    for layout in ("shared", "padded"):
        data = data_for(params, table, layout, reference, np.linspace(0, 1, len(table)))
        limits = Limits() if layout == "shared" else Limits(pairs=1)
        (micros,) = global_batches(data, len(table), limits, 1)
        steps.append(engine_step(model, data, micros, params))
        tokens_read.append(sum(data.costs.total(micro.pairs) for micro in micros))
    steps[0].assert_close(steps[1], MOST)
    assert tokens_read[0] < tokens_read[1]
