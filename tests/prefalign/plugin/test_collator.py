"""A packed row says of each completion token what the padded batch of TRL's collator says."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from trl.trainer.dpo_trainer import DataCollatorForPreference

from prefalign.engine.tree import Layout
from prefalign.plugin.collator import PackedRow, PackingCollator

FEW = st.integers(1, 3)  # so that many texts begin alike
EXAMPLES = st.lists(
    st.fixed_dictionaries(
        {
            "prompt_ids": st.lists(FEW, max_size=5),
            "chosen_ids": st.lists(FEW, min_size=1, max_size=5),
            "rejected_ids": st.lists(FEW, min_size=1, max_size=5),
        }
    ),
    min_size=1,
    max_size=5,
)
CUTS = st.none() | st.integers(2, 8)
LAYOUTS = st.sampled_from(["shared", "packed"])


@given(EXAMPLES, LAYOUTS, CUTS, st.sampled_from(["keep_start", "keep_end"]))
def test_each_target_follows_its_own_beginning(
    examples: list[dict[str, Any]], layout: Layout, cut: int | None, truncation: str
) -> None:
    padding = DataCollatorForPreference(pad_token_id=0, max_length=cut, truncation_mode=truncation)
    batch = PackingCollator(padding, layout)(examples)
    scored = np.flatnonzero(batch["completion_mask"][:, 1:].numpy())
    if len(scored) == 0:
        assert "packed" not in batch
        return
    packed = batch["packed"]
    assert packed["slots"].tolist() == scored.tolist()
    width = batch["input_ids"].shape[1] - 1
    for slot, score in zip(scored, packed["scores"].tolist(), strict=True):
        ids = batch["input_ids"][slot // width].tolist()
        end = slot % width + 1
        path = path_to(packed, int(packed["positions"][score]))
        assert packed["input_ids"][0][path].tolist() == ids[:end]
        assert packed["position_ids"][0][path].tolist() == list(range(end))
        assert packed["targets"][score] == ids[end]


def path_to(packed: PackedRow, place: int) -> Any:
    """Returns the places that the query at `place` attends to."""
    view = int(np.searchsorted(packed["query_starts"].numpy(), place, side="right")) - 1
    first, end = packed["key_starts"][view : view + 2].tolist()
    behind = int(packed["query_starts"][view + 1]) - 1 - place
    return packed["keys"][first : end - behind]


@given(EXAMPLES)
def test_sharing_leaves_no_beginning_twice(examples: list[dict[str, Any]]) -> None:
    padding = DataCollatorForPreference(pad_token_id=0)
    batch = PackingCollator(padding, "shared")(examples)
    if "packed" not in batch:
        return
    rows = zip(batch["input_ids"].tolist(), batch["attention_mask"].sum(1).tolist(), strict=True)
    beginnings = {tuple(ids[:end]) for ids, length in rows for end in range(1, length)}
    assert batch["packed"]["input_ids"].shape[1] == max(len(beginnings), 1)
