"""Sets in batches as engines hand them out: cut anywhere, in any order, and sent to other processes."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from prefdata.distributed import per_batch

RANDOM = st.randoms(use_true_random=False)


def scattered(table: pa.Table, rng: random.Random) -> list[pa.Table]:
    """The rows in another order, in batches of any sizes; one may be empty."""
    order = list(range(table.num_rows))
    rng.shuffle(order)
    cuts = sorted(rng.randint(0, table.num_rows) for _ in range(rng.randint(0, 4)))
    mixed = table.take(pa.array(order, pa.int64()))
    bounds = zip([0, *cuts], [*cuts, table.num_rows], strict=True)
    return [mixed.slice(start, end - start) for start, end in bounds]


def over(batches: list[pa.Table], function: Callable[..., pa.Table], *settings: Any) -> pa.Table:
    """What a function that was pickled returns for all batches."""
    sent = pickle.loads(pickle.dumps(per_batch(function, *settings)))
    empty = function(batches[0].schema.empty_table(), *settings)
    parts = [batch for table in batches for batch in table.combine_chunks().to_batches()]
    return pa.Table.from_batches(list(sent(parts)), empty.schema)


def here(function: Callable[..., pa.Table], *settings: Any) -> Callable[..., pa.Table]:
    """A function that looks at all rows at once, pickled."""
    return pickle.loads(pickle.dumps(partial(function, *settings)))  # type: ignore[no-any-return]
