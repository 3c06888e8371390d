"""Scores by pair id, in store order, whatever the batching; and the summary made of them."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM

from prefalign.config import Data
from prefalign.metrics import PairScores
from prefalign.records.summary import summary
from prefalign.score import score
from prefalign.tokenise import TokenStore, tokenise
from prefdata.tokens import load_tokenizer
from tests.prefalign.toys import write_toy_pairs


@pytest.fixture
def store(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> TokenStore:
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    pairs = pl.read_parquet(write_toy_pairs(tmp_path / "pairs.parquet", 9))
    return tokenise(pairs, load_tokenizer(tiny_model), Data(train=""))


def scores_of(model: Any, store: TokenStore, micro: int, **options: Any) -> pl.DataFrame:
    return score(model, store, micro_batch_size=micro, device=torch.device("cpu"), **options)


def test_scores_come_in_store_order(tiny_model: Path, store: TokenStore) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    frame = scores_of(model, store, 2)
    assert frame.columns == [
        "id",
        "chosen_logps",
        "rejected_logps",
        "chosen_tokens",
        "rejected_tokens",
    ]
    rows = store.table.to_pylist()
    assert frame["id"].to_list() == [row["id"] for row in rows]
    assert frame["chosen_tokens"].to_list() == [len(row["chosen_ids"]) for row in rows]
    for row, got in zip(rows, frame["rejected_logps"], strict=True):
        ids = torch.tensor([row["prompt_ids"] + row["rejected_ids"]])
        with torch.no_grad():
            logps = torch.log_softmax(model(input_ids=ids).logits[0, :-1], -1)
        want = logps.gather(-1, ids[0, 1:, None])[-len(row["rejected_ids"]) :].sum()
        assert got == pytest.approx(want.item(), abs=1e-3)


def test_scores_are_deterministic_and_do_not_depend_on_batching(
    tiny_model: Path, store: TokenStore
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    done: list[int] = []
    first = scores_of(model, store, 4, progress=done.append)
    assert sum(done) == 9
    assert max(done) <= 4
    assert scores_of(model, store, 4).equals(first)
    other = scores_of(model, store, 1)
    np.testing.assert_allclose(other["chosen_logps"], first["chosen_logps"], rtol=1e-6)
    assert model.training is False  # as it was loaded


def test_a_summary_by_hand() -> None:
    # pair 1: sums -2 > -3, means -1 > -3; pair 2: a tie in sums, means -4 < -2
    policy = PairScores(
        np.array([-2.0, -4.0]), np.array([-3.0, -4.0]), np.array([2.0, 1.0]), np.array([1.0, 2.0])
    )
    reference = policy._replace(chosen_logps=np.array([-3.0, -2.0]))
    values = summary(policy, reference)
    assert values["accuracy_sum"] == 0.75  # one right, one tie
    assert values["accuracy_mean"] == 0.5
    assert values["logps_sum/chosen"] == -3.0
    assert values["logps_mean/chosen"] == -2.5
    assert values["nll_chosen"] == 2.0  # 6 nats over 3 tokens
    assert values["accuracy_reference"] == 0.5  # moved by +1 and by -2
    assert values["margin_reference"] == -0.5
    assert values["drift_chosen"] == pytest.approx(-1 / 3)  # nats per token
    assert values["drift_rejected"] == 0.0
    assert "margin_reference" not in summary(policy)
