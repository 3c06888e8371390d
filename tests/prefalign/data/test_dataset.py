"""Global batches: the same pairs and the same divisor however they are cut and shared."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prefalign.data.dataset import GlobalBatches, PairDataset, epoch_order, load, pairs_seen
from prefalign.engine.bins import Limits
from prefalign.engine.collate import MicroBatch
from prefalign.engine.tree import Layout
from tests.prefalign.toys import token_table, whole_batch

sizes = st.integers(1, 23)


def by_global_batch(
    data: PairDataset, *, size: int, limits: Limits, processes: int, epoch: int = 0
) -> list[list[MicroBatch]]:
    """Returns the micro-batches of all processes, one list per global batch."""
    shares = []
    for rank in range(processes):
        batches = GlobalBatches(
            data, global_batch_size=size, limits=limits, rank=rank, processes=processes
        )
        batches.set_epoch(epoch)
        shares.append(list(batches))
        assert len(shares[-1]) == len(batches)
    for of_processes in zip(*shares, strict=True):
        assert len({len(share) for share in of_processes}) == 1  # gradients meet after the last
    return [[micro for share in step for micro in share] for step in zip(*shares, strict=True)]


def counted(step: list[MicroBatch]) -> list[int]:
    """Returns the pairs of a global batch that count, sorted."""
    return sorted(
        int(pair)
        for micro in step
        for pair, weight in zip(micro.pairs, micro.weights, strict=True)
        if weight
    )


limited = st.builds(
    Limits,
    pairs=st.none() | st.integers(1, 5),
    tokens=st.none() | st.integers(1, 90),
)
layouts = st.sampled_from(["shared", "padded"])


@given(pairs=sizes, size=sizes, limits=limited, processes=st.integers(1, 4), layout=layouts)
def test_every_pair_counts_once_an_epoch(
    pairs: int, size: int, limits: Limits, processes: int, layout: Layout
) -> None:
    data = PairDataset(token_table(pairs, choices=9), layout=layout)
    steps = by_global_batch(data, size=size, limits=limits, processes=processes)
    assert sorted(pair for step in steps for pair in counted(step)) == list(range(pairs))
    for step in steps:
        for micro in step:
            assert limits.pairs is None or len(micro.pairs) <= limits.pairs
            fits = limits.tokens is None or data.costs.total(micro.pairs) <= limits.tokens
            assert fits or len(micro.pairs) == 1
        assert {m.global_pairs for m in step} == {len(counted(step))}
        tokens = int(data.nll_tokens[counted(step)].sum())
        assert {m.global_nll_tokens for m in step} == {tokens}


@given(pairs=sizes, size=sizes, limits=limited, processes=st.integers(1, 4), layout=layouts)
def test_global_batches_do_not_depend_on_who_computes_them(
    pairs: int, size: int, limits: Limits, processes: int, layout: Layout
) -> None:
    data = PairDataset(token_table(pairs, choices=9), layout=layout)
    alone = by_global_batch(data, size=size, limits=Limits(1), processes=1, epoch=3)
    shared = by_global_batch(data, size=size, limits=limits, processes=processes, epoch=3)
    assert list(map(counted, shared)) == list(map(counted, alone))


def test_costs_are_shared_equally() -> None:
    data = PairDataset(token_table(512, longest=90), layout="shared")
    batches = (
        GlobalBatches(data, global_batch_size=128, limits=Limits(tokens=2000), rank=r, processes=4)
        for r in range(4)
    )
    for shares in zip(*batches, strict=True):
        costs = [[data.costs.total(micro.pairs) for micro in share] for share in shares]
        for at_once in zip(*costs, strict=True):
            assert max(at_once) <= 1.05 * min(at_once)


def test_comparisons_of_a_prompt_are_computed_together() -> None:
    data = PairDataset(token_table(60, choices=5), layout="shared")
    batches = GlobalBatches(data, global_batch_size=60, limits=Limits(pairs=40))
    (share,) = batches
    prompts = [set(data.prompt_ids[micro.pairs]) for micro in share]
    assert sum(map(len, prompts)) == len(set(data.prompt_ids))


def test_the_order_is_pinned() -> None:
    # a resumed run, and the same run on another machine, must see the pairs in this order
    prompts = np.arange(8)
    first = epoch_order(prompts, seed=0, epoch=0).tolist()
    assert first == [3, 2, 1, 6, 0, 7, 4, 5]
    assert epoch_order(prompts, seed=0, epoch=1).tolist() != first
    assert epoch_order(prompts, seed=1, epoch=0).tolist() != first
    assert epoch_order(np.array([0, 1, 0]), seed=0, epoch=0).tolist() == [1, 0, 2]


@given(pairs=sizes, size=sizes)
def test_pairs_seen_counts_epochs(pairs: int, size: int) -> None:
    data = PairDataset(token_table(pairs))
    steps = [
        len(counted(step))
        for step in by_global_batch(data, size=size, limits=Limits(1), processes=1)
    ]
    twice = np.cumsum(steps * 2)
    assert [pairs_seen(n + 1, pairs, size) for n in range(2 * len(steps))] == twice.tolist()


def test_similar_lengths_share_a_micro_batch() -> None:
    data = PairDataset(token_table(64, longest=60))

    def padding(size: int) -> int:
        batches = GlobalBatches(data, global_batch_size=size, limits=Limits(pairs=4))
        return sum(batch["input_ids"].numel() for share in load(data, batches) for batch in share)

    assert padding(64) < 0.8 * padding(4)


@pytest.mark.parametrize("layout", ["shared", "packed", "padded"])
def test_a_batch_holds_what_it_says(layout: Layout) -> None:
    data = PairDataset(token_table(5), "all", np.arange(10.0).reshape(5, 2), layout)
    batches = GlobalBatches(data, global_batch_size=5, limits=Limits(pairs=2))
    batch = next(iter(load(data, batches)))[0]
    first, second = batch["pairs"].tolist()
    assert batch["reference"].tolist() == [2 * first, 2 * second, 2 * first + 1, 2 * second + 1]
    flat = batch["input_ids"].flatten()
    chosen, rejected, prompts = batch["edges"].tolist()
    for segment, place, side in zip(
        chosen + rejected, [first, second] * 2, (0, 0, 1, 1), strict=True
    ):
        scores = batch["scores"][batch["segments"] == segment]
        completion = data.sides[side][place].tolist()
        assert batch["targets"][scores].tolist() == completion
        read = [data.prompts[place][-1], *completion[:-1]]  # each token predicts the next
        assert flat[batch["positions"][scores]].tolist() == read
    prompt = batch["targets"][batch["scores"][batch["segments"] == prompts[0]]]
    torch.testing.assert_close(prompt, torch.tensor(data.prompts[first][1:]).long())
    tokens = batch["nll_tokens"].tolist()
    assert tokens[0] == len(data.prompts[first]) + len(data.sides[0][first]) - 1


def test_equal_completions_are_read_once() -> None:
    # a ranking of three answers with all its comparisons: one prompt, three completions
    prompt, answers = [5, 6, 7], ([8, 9], [8, 4, 4], [3])
    table = pa.table(
        {
            "id": ["a", "b", "c"],
            "prompt_ids": pa.array([prompt] * 3, pa.list_(pa.int32())),
            "chosen_ids": pa.array([answers[i] for i in (0, 0, 1)], pa.list_(pa.int32())),
            "rejected_ids": pa.array([answers[i] for i in (1, 2, 2)], pa.list_(pa.int32())),
        }
    )
    batch = whole_batch(PairDataset(table, layout="shared"))
    assert sorted(batch["input_ids"].flatten().tolist()) == [4, 5, 6, 7, 8]  # no last tokens
    assert len(batch["targets"]) == 5  # 8 and 3 after the prompt, 9 and 4 after 8, 4
    assert batch["edges"].tolist() == [[0, 0, 1], [1, 2, 2], [3, 3, 3]]
