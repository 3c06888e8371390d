"""`prefalign score` as a program: against slow sums, on two processes, killed, and refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import torch
from peft import PeftModel
from polars.testing import assert_frame_equal
from transformers import AutoModelForCausalLM

from prefalign.config import Data, RunConfig
from prefalign.progress import Silence
from prefalign.run import train
from prefalign.scoring.table import without_prompts
from prefalign.survival.checkpoints import MANIFEST
from prefalign.tokenise import TokenCounts, TokenStore, tokenise
from prefdata.scores import read_scores
from prefdata.tokens import load_tokenizer
from tests.command import prefalign, prefdata
from tests.prefalign.toys import write_toy_pairs
from tests.tiny import write_tiny_model, write_tiny_tokenizer

FP32 = ("--precision", "fp32", "--device", "cpu")
TWO_PROCESSES = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1",
    "--num_processes", "2", "--mixed_precision", "no", "--dynamo_backend", "no",
    "--main_process_port", "0", "-m", "prefalign",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Path]:
    """A directory with pairs.parquet, and runs `full` and `lora` of the tiny model."""
    folder = tmp_path_factory.mktemp("scoring")
    write_toy_pairs(folder / "train.parquet", 16, first=100)
    write_toy_pairs(folder / "pairs.parquet", 21)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFALIGN_CACHE", str(folder / "cache"))
        for name, lora in (("full", None), ("lora", {"r": 4, "alpha": 16})):
            settings: dict[str, Any] = {
                "data": {"train": str(folder / "train.parquet"), "max_length": 96},
                "model": {"name": str(tiny_model), "lora": lora},
                "method": {"name": "dpo"},
                "optim": {"learning_rate": 5e-3, "max_steps": 3},
                "batch": {"global_batch_size": 8, "micro_batch_size": 8},
                "hardware": {"device": "cpu", "precision": "fp32"},
                "output": {"dir": str(folder / name)},
            }
            train(RunConfig.model_validate(settings), Silence())
        yield folder


def score(folder: Path, *arguments: str | Path) -> pl.DataFrame:
    output = folder / "scores.parquet"
    ran = prefalign("score", folder / "pairs.parquet", *arguments, *FP32, "-o", output)
    assert ran.returncode == 0, ran.stderr
    return pl.read_parquet(output)


def plain_logps(model: Any, prompt: list[int], completion: list[int]) -> float:
    """Slow, of one sequence alone; without a prompt nothing predicts the first token."""
    ids = torch.tensor([prompt + completion])
    with torch.no_grad():
        logps = model(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
    taken = logps.gather(-1, ids[0, 1:, None]).squeeze(-1)
    return float(taken[max(len(prompt) - 1, 0) :].sum())


def expected(name: str, policy: Any, reference: Any, row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": row["id"], "model": name}
    prompt = row["prompt_ids"]
    for side in ("chosen", "rejected"):
        ids = row[f"{side}_ids"]
        logps, alone = plain_logps(policy, prompt, ids), plain_logps(policy, [], ids)
        found[f"{side}_logps"], found[f"{side}_tokens"] = logps, len(ids)
        found[f"ref_{side}_logps"] = plain_logps(reference, prompt, ids)
        found[f"{side}_logps_mean"] = logps / len(ids)
        found[f"ref_{side}_logps_mean"] = found[f"ref_{side}_logps"] / len(ids)
        found[f"ifd_{side}"] = (logps / len(ids)) / (alone / (len(ids) - 1))
    chosen, rejected = found["chosen_logps"], found["rejected_logps"]
    found["margin_sum"] = chosen - rejected
    found["margin_reference"] = (chosen - found["ref_chosen_logps"]) - (
        rejected - found["ref_rejected_logps"]
    )
    found["nll_chosen"] = -chosen / found["chosen_tokens"]
    found["ppl_difference"] = found["nll_chosen"] + rejected / found["rejected_tokens"]
    return found


def test_runs_side_by_side_equal_slow_sums(folder: Path, tiny_model: Path) -> None:
    full, lora = str(folder / "full"), str(folder / "lora")
    table = score(folder, "--model", full, "--model", lora)
    reference = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    adapted = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_model), str(folder / "lora" / "model")
    ).eval()
    policies = {
        full: AutoModelForCausalLM.from_pretrained(folder / "full" / "model").eval(),
        lora: adapted,
    }
    rows = token_rows(folder, tiny_model)
    slow = [
        expected(name, policy, reference, row) for name, policy in policies.items() for row in rows
    ]
    want = pl.DataFrame(slow).select(table.columns)
    assert_frame_equal(table, want, abs_tol=1e-4, rel_tol=1e-5)
    assert want["margin_reference"].abs().max() > 0.1  # type: ignore[operator]

    only = folder / "lora.parquet"
    table.filter(pl.col("model") == lora).write_parquet(only)
    assert read_scores(only).height == 21
    ran = prefdata(
        "check", folder / "pairs.parquet", "--scores", only, "--select", "margin-against-label"
    )
    assert ran.returncode in (0, 1), ran.stderr


def token_rows(folder: Path, tiny_model: Path) -> list[dict[str, Any]]:
    pairs = pl.read_parquet(folder / "pairs.parquet")
    rows: list[dict[str, Any]] = tokenise(
        pairs, load_tokenizer(str(tiny_model)), Data(train="")
    ).table.to_pylist()
    return rows


def test_a_model_of_its_own_has_no_reference_unless_one_is_named(
    folder: Path, tiny_model: Path
) -> None:
    trained = str(folder / "own")
    write_tiny_model(Path(trained), seed=3)
    alone = score(folder, "--model", trained)
    assert alone["margin_reference"].null_count() == alone["ref_chosen_logps"].null_count() == 21
    assert alone["ifd_chosen"].null_count() == 0
    both = score(folder, "--model", trained, "--reference", tiny_model)
    assert both["margin_reference"].null_count() == 0
    assert_frame_equal(alone["chosen_logps"].to_frame(), both["chosen_logps"].to_frame())


def test_prompts_keep_the_token_that_begins_a_text() -> None:
    def lists(*values: list[int]) -> pa.Array:
        return pa.array(values, pa.list_(pa.int32()))

    columns = {"id": ["a", "b", "c"], "prompt_ids": lists([1, 7], [], [7, 1])}
    sides = {"chosen_ids": lists([5], [6], [7]), "rejected_ids": lists([8], [9], [8, 8])}
    store = TokenStore(pa.table(columns | sides), "", {}, TokenCounts(0, 0, 0), 9, "drop")
    assert without_prompts(store, 1)["prompt_ids"].to_pylist() == [[1], [], []]
    assert without_prompts(store, None)["prompt_ids"].to_pylist() == [[], [], []]
    assert without_prompts(store, 1)["rejected_ids"].to_pylist() == [[8], [9], [8, 8]]


@pytest.mark.slow
def test_two_processes_write_what_one_does(folder: Path, tmp_path: Path) -> None:
    one = score(folder, "--model", folder / "lora")
    command = [
        *TWO_PROCESSES, "score", str(folder / "pairs.parquet"), "--model", str(folder / "lora"),
        *FP32, "-o", str(tmp_path / "two.parquet"), "--micro-batch-size", "2",
    ]  # fmt: skip
    environment = {"ACCELERATE_USE_CPU": "true", "PREFALIGN_CACHE": str(tmp_path / "cache")}
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("wrote") == 1
    assert_frame_equal(pl.read_parquet(tmp_path / "two.parquet"), one, abs_tol=1e-5)


@pytest.mark.slow
def test_after_kill_9_only_what_is_missing_is_computed(tmp_path: Path, tiny_model: Path) -> None:
    pairs = write_toy_pairs(tmp_path / "pairs.parquet", 300)
    command = [
        "score", str(pairs), "--model", str(tiny_model), *FP32, "--micro-batch-size", "1", "-o",
    ]  # fmt: skip

    def environment(name: str) -> dict[str, str]:
        return {"PREFALIGN_CACHE": str(tmp_path / name)}

    process = subprocess.Popen(
        [sys.executable, "-m", "prefalign", *command, str(tmp_path / "killed.parquet")],
        env=os.environ | environment("killed") | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    parts = tmp_path / "killed" / "reference"
    while process.poll() is None and not list(parts.glob("*.parquet")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    (before, *_) = parts.glob("*.parquet")
    assert not (tmp_path / "killed.parquet").exists()

    for name in ("killed", "whole"):
        ran = prefalign(*command, tmp_path / f"{name}.parquet", env=environment(name))
        assert ran.returncode == 0, ran.stderr
    tables = [pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("killed", "whole")]
    assert_frame_equal(*tables, check_exact=True)
    assert tables[0]["id"].n_unique() == len(tables[0]) == 300
    known = set(pl.read_parquet(before)["completion"])
    assert len(known) == 2 * 256  # both sides of as many pairs as there are passes in a part
    others = [path for path in parts.glob("*.parquet") if path != before]
    assert not known & {name for path in others for name in pl.read_parquet(path)["completion"]}


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_tiny_model(other)
    write_tiny_tokenizer(other)
    text = (other / "chat_template.jinja").read_text()
    (other / "chat_template.jinja").write_text(text.replace("<|im_end|>", "<|im_end|>!"))
    (tmp_path / "run" / "checkpoint-3").mkdir(parents=True)
    (tmp_path / "run" / "checkpoint-3" / MANIFEST).touch()
    pairs, model = folder / "pairs.parquet", folder / "full"

    def refused(*arguments: str | Path) -> str:
        ran = prefalign("score", pairs, *arguments, *FP32, "-o", tmp_path / "no.parquet")
        assert ran.returncode == 2, ran.stderr
        assert not (tmp_path / "no.parquet").exists()
        return ran.stderr

    assert "reads other tokens than" in refused("--model", model, "--reference", other)
    assert "the run has not come to its end" in refused("--model", tmp_path / "run")
    assert "checkpoint-3" in refused("--model", tmp_path / "run")
    assert "none: no such file or directory" in refused("--model", tmp_path / "none")
    assert "no pair is left of 21" in refused("--model", model, "--max-length", "8")
    assert "a model is named twice" in refused("--model", model, "--model", model)
    ran = prefalign("score", pairs, "--model", model, "-o", tmp_path / "no.csv")
    assert "name a .parquet or a .jsonl file" in ran.stderr
