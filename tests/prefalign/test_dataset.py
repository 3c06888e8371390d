"""Global batches: the same pairs and the same divisor however they are cut and shared."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from prefalign.dataset import GlobalBatches, MicroBatch, PairDataset, epoch_order, load, pairs_seen
from tests.prefalign.toys import token_table

sizes = st.integers(1, 23)


def by_global_batch(
    data: PairDataset, *, size: int, micro: int, processes: int, epoch: int = 0
) -> list[list[MicroBatch]]:
    """Returns the micro-batches of all processes, one list per global batch."""
    steps: list[list[MicroBatch]] = []
    for rank in range(processes):
        batches = GlobalBatches(
            data, global_batch_size=size, micro_batch_size=micro, rank=rank, processes=processes
        )
        batches.set_epoch(epoch)
        mine = list(batches)
        assert len(mine) == len(batches)
        for start in range(0, len(mine), batches.accumulation):
            if rank == 0:
                steps.append([])
            steps[start // batches.accumulation] += mine[start : start + batches.accumulation]
    return steps


def counted(step: list[MicroBatch]) -> list[int]:
    """Returns the pairs of a global batch that count, sorted."""
    return sorted(
        int(pair)
        for micro in step
        for pair, weight in zip(micro.pairs, micro.weights, strict=True)
        if weight
    )


@given(pairs=sizes, size=sizes, micro=st.integers(1, 5), processes=st.integers(1, 4))
def test_every_pair_counts_once_an_epoch(pairs: int, size: int, micro: int, processes: int) -> None:
    data = PairDataset(token_table(pairs))
    steps = by_global_batch(data, size=size, micro=micro, processes=processes)
    assert sorted(pair for step in steps for pair in counted(step)) == list(range(pairs))
    for step in steps:
        assert all(len(micro_batch.pairs) <= micro for micro_batch in step)
        assert {m.global_pairs for m in step} == {len(counted(step))}
        tokens = int(data.nll_tokens[counted(step)].sum())
        assert {m.global_nll_tokens for m in step} == {tokens}


@given(pairs=sizes, size=sizes, micro=st.integers(1, 5), processes=st.integers(1, 4))
def test_global_batches_do_not_depend_on_who_computes_them(
    pairs: int, size: int, micro: int, processes: int
) -> None:
    data = PairDataset(token_table(pairs))
    alone = by_global_batch(data, size=size, micro=1, processes=1, epoch=3)
    shared = by_global_batch(data, size=size, micro=micro, processes=processes, epoch=3)
    assert list(map(counted, shared)) == list(map(counted, alone))


def test_every_process_makes_as_many_steps() -> None:
    data = PairDataset(token_table(11))
    lengths = {
        len(GlobalBatches(data, global_batch_size=4, micro_batch_size=1, rank=r, processes=3))
        for r in range(3)
    }
    # batches of 4, 4 and 3 pairs on 3 processes: 2, 2 and 1 micro-batches each
    assert lengths == {5}


def test_the_order_is_pinned() -> None:
    # a resumed run, and the same run on another machine, must see the pairs in this order
    first = epoch_order(8, seed=0, epoch=0).tolist()
    assert first == [3, 2, 1, 6, 0, 7, 4, 5]
    assert epoch_order(8, seed=0, epoch=1).tolist() != first
    assert epoch_order(8, seed=1, epoch=0).tolist() != first


@given(pairs=sizes, size=sizes)
def test_pairs_seen_counts_epochs(pairs: int, size: int) -> None:
    data = PairDataset(token_table(pairs))
    steps = [len(counted(step)) for step in by_global_batch(data, size=size, micro=1, processes=1)]
    twice = np.cumsum(steps * 2)
    assert [pairs_seen(n + 1, pairs, size) for n in range(2 * len(steps))] == twice.tolist()


def test_similar_lengths_share_a_micro_batch() -> None:
    data = PairDataset(token_table(64, longest=60))

    def padding(batches: GlobalBatches) -> int:
        return sum(batch["input_ids"].numel() for batch in load(data, batches))

    sorted_by_length = GlobalBatches(data, global_batch_size=64, micro_batch_size=4)
    as_drawn = GlobalBatches(data, global_batch_size=4, micro_batch_size=4)
    assert padding(sorted_by_length) < 0.8 * padding(as_drawn)


def test_a_batch_holds_what_it_says() -> None:
    data = PairDataset(token_table(5), "all", np.arange(10.0).reshape(5, 2))
    batch = next(iter(load(data, GlobalBatches(data, global_batch_size=5, micro_batch_size=2))))
    first, second = batch["pairs"].tolist()
    assert batch["reference"].tolist() == [2 * first, 2 * second, 2 * first + 1, 2 * second + 1]
    flat = batch["input_ids"].flatten()
    for segment, place, side in ((0, first, 0), (1, second, 0), (2, first, 1), (3, second, 1)):
        of_segment = batch["segments"] == segment
        completion = data.sides[side][place].tolist()
        assert batch["targets"][of_segment].tolist() == completion
        read = [data.prompts[place][-1], *completion[:-1]]  # each token predicts the next
        assert flat[batch["positions"][of_segment]].tolist() == read
    prompt = batch["targets"][batch["segments"] == 4]
    torch.testing.assert_close(prompt, torch.tensor(data.prompts[first][1:]).long())
    tokens = batch["nll_tokens"].tolist()
    assert tokens[0] == len(data.prompts[first]) + len(data.sides[0][first]) - 1
