"""Every loss on shared rows against TRL's own trainers: on random ids, on rankings and on rows of HH."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForCausalLM

from prefalign.config import Data, RunConfig
from prefalign.data.dataset import PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.bins import Limits
from prefalign.engine.logps import score_tokens
from prefalign.losses import LossParams, loss_of
from prefalign.losses.dpo import Dpo
from prefalign.losses.orpo import Orpo
from prefalign.losses.simpo import Simpo
from prefalign.progress import Silence
from prefalign.run import Run
from prefalign.score import score_frame, score_share
from prefalign.tokenise import tokenise
from prefalign.trl.dpo import LOSSES_OF_TRL, loss_values
from prefalign.trl.tokens import labelled_row
from prefdata.conversion import convert
from prefdata.tokens import load_tokenizer
from tests.prefalign.engine.steps import Step, data_for, engine_step, global_batches, short
from tests.prefalign.toys import token_table, write_toy_pairs

HH = Path(__file__).parents[2] / "fixtures/tokens/hh-rlhf.jsonl"
NEEDED = {"exo_pair": {"label_smoothing": 0.01}}
FAMILY = [Dpo(loss=name, **NEEDED.get(name, {})) for name in sorted(LOSSES_OF_TRL)] + [
    Dpo(loss={"sigmoid": 0.8, "sft": 0.3}, ld_alpha=0.4),
    Dpo(loss=["aot", "ipo"], ld_alpha=0.7),
    Dpo(loss="apo_zero", wpo=True),
    Dpo(loss={"sigmoid_norm": 1.5, "nca_pair": 0.2}, wpo=True, ld_alpha=0.5),
    Dpo(loss="robust", label_smoothing=0.2),
    Dpo(loss="aot", label_smoothing=0.2),
    *(Dpo(f_divergence=divergence) for divergence in ("forward_kl", "js", "alpha")),
]


class Both(NamedTuple):
    """The same policy twice: in TRL's trainer, and ready for the engine."""

    trainer: Any
    reference: Any
    model: Any


def both(directory: Path, tiny_model: Path, method: dict[str, Any]) -> Both:
    """Returns the tiny model in both, moved away from the reference."""
    config = RunConfig.model_validate(
        {
            "data": {"train": str(write_toy_pairs(directory / "train.parquet", 8))},
            "model": {"name": str(tiny_model)},
            "method": method,
            "engine": "trl",
            "batch": {"global_batch_size": 8, "micro_batch_size": 8},
            "hardware": {"device": "cpu", "precision": "fp32"},
            "output": {"dir": str(directory / "run")},
        }
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PREFALIGN_CACHE", str(directory / "cache"))
        run = Run(config, Silence())
        trainer: Any = run.trainer(None)
    reference, model = (AutoModelForCausalLM.from_pretrained(tiny_model) for _ in range(2))
    for mine in (reference, model):
        score_tokens(mine)
        attend_to_trees(mine)
    for policy in (model, trainer.model):
        torch.manual_seed(1)
        with torch.no_grad():
            for weight in policy.parameters():
                weight += 0.02 * torch.randn_like(weight)
    return Both(trainer, reference, model)


@pytest.fixture(scope="module")
def dpo(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[bool, Both]:
    """Without and with WPO's weights: TRL's trainer gets another head for these."""
    return {
        wpo: both(tmp_path_factory.mktemp("dpo"), tiny_model, {"name": "dpo", "wpo": wpo})
        for wpo in (False, True)
    }


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, pa.Table]:
    """Token ids of pairs, by where they come from."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PREFALIGN_CACHE", str(tmp_path_factory.mktemp("cache")))
        data = Data(train=str(HH), max_length=300, truncation="keep_end")
        real = tokenise(convert([HH]).pairs, load_tokenizer(tiny_model), data).table
    return {
        "random": token_table(7, seed=3, longest=9),
        "rankings": token_table(9, seed=4, choices=3),
        "hh": real.slice(0, 6).combine_chunks(),
    }


def engine_loss(pair_of: Both, table: pa.Table, params: LossParams) -> Step:
    """Returns our step, of micro-batches that two processes have computed."""
    reference = None
    if loss_of(params).needs_reference:
        scored = data_for(params, table, "shared")
        places, logps = score_share(
            pair_of.reference, scored, micro_batch_size=4, device=torch.device("cpu"),
            precision="fp32",
        )  # fmt: skip
        columns = score_frame(scored, logps[np.argsort(places)]).select("^.*_logps$")
        reference = columns.to_numpy()
    data: PairDataset = data_for(params, table, "shared", reference)
    (micros,) = global_batches(data, len(table), Limits(pairs=3), 2)
    return engine_step(pair_of.model, data, micros, params)


@pytest.mark.parametrize("source", ["random", "rankings", "hh"])
@pytest.mark.parametrize("params", FAMILY, ids=short)
def test_dpo_s_family(
    dpo: dict[bool, Both], tables: dict[str, pa.Table], params: Dpo, source: str
) -> None:
    pair_of, values = dpo[params.wpo], loss_values(params)
    trainer = pair_of.trainer
    trainer.loss_types = values.pop("loss_type")
    trainer.args.discopop_tau = values.pop("discopop_tau")
    vars(trainer).update(values)
    rows = trainer.data_collator(tables[source].to_pylist())
    theirs = Step(trainer.model, trainer.compute_loss(trainer.model, rows))
    steep = params.loss == "discopop" or params.f_divergence != "reverse_kl"
    engine_loss(pair_of, tables[source], params).assert_close(theirs, 1e-4 if steep else 2e-5)


@pytest.mark.parametrize("params", [Orpo(lambda_=0.3), Simpo(beta=2.5, gamma=0.7)], ids=short)
def test_losses_without_a_reference(
    tmp_path: Path, tiny_model: Path, tables: dict[str, pa.Table], params: LossParams
) -> None:
    pair_of = both(tmp_path, tiny_model, params.model_dump())
    trainer = pair_of.trainer
    for table in tables.values():
        rows = trainer.data_collator([labelled_row(row) for row in table.to_pylist()])
        theirs, _ = trainer.get_batch_loss_metrics(trainer.model, rows)
        engine_loss(pair_of, table, params).assert_close(Step(trainer.model, theirs), 2e-5)


def test_votes_are_label_noise_of_each_pair_s_own(
    dpo: dict[bool, Both], tables: dict[str, pa.Table]
) -> None:
    table = tables["hh"]
    reference = np.zeros((len(table), 2))
    sure = np.full(len(table), 0.8)
    steps = []
    for params in (Dpo(labels="votes"), Dpo(label_smoothing=0.2)):
        data = data_for(params, table, "shared", reference, sure)
        (micros,) = global_batches(data, len(table), Limits(pairs=2), 1)
        steps.append(engine_step(dpo[False].model, data, micros, params))
    steps[0].assert_close(steps[1], 1e-6)
