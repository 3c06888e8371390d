"""What goes wrong before the first step: one message each, the right exit code, nothing lost.

Real processes, real files, real file systems. What goes wrong at a checkpoint or to a loss is told elsewhere.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.prefalign.workplace import TRAIN, Workplace


def refusal(done: "subprocess.CompletedProcess[str]", code: int = 2) -> str:
    """Returns what a run that did not start says: one error with its hint, no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    assert done.stdout == ""
    return done.stderr


def copied(model: Path, to: Path) -> Path:
    shutil.copytree(model, to)
    return to


def test_five_errors_of_a_run_file_are_named_at_once(workplace: Workplace) -> None:
    workplace.run_file.write_text(
        "data: {train: train.parquet, max_lenght: 512}\n"
        "model: {name: tiny}\n"
        "method:\n"
        "  name: dpo\n"
        "  bta: 0.3\n"
        "optim:\n"
        "  learning_rate: fast\n"
        "batch: {global_batch_size: 0}\n"
        "hardware: {precision: fp16}\n"
        "output: {dir: one}\n"
    )
    told = refusal(workplace.run(*TRAIN, "run.yaml"))
    for line, what in (
        (1, "data.max_lenght: unknown key; did you mean 'max_length'?"),
        (5, "method.bta: unknown key; did you mean 'beta'?"),
        (7, "optim.learning_rate: 'fast' must be a valid number"),
        (8, "batch.global_batch_size: 0 must be greater than or equal to 1"),
        (9, "hardware.precision: 'fp16' must be auto, fp32 or bf16"),
    ):
        assert f"line {line}: {what}" in told
    assert len(told.splitlines()) == 6


def test_all_that_is_wrong_with_files_is_named_at_once(
    workplace: Workplace, tiny_model: Path
) -> None:
    broken = copied(tiny_model, workplace.directory / "broken")
    weights = broken / "model.safetensors"
    whole = weights.stat().st_size
    os.truncate(weights, whole - 100)
    manifest = {"outputs": [{"file": "train.parquet", "sha256": "0" * 64, "rows": 35}]}
    (workplace.directory / "train.manifest.json").write_text(json.dumps(manifest))
    told = refusal(
        workplace.run(
            *TRAIN, "run.yaml", "--set", f"model.name={broken}", "--set", "data.test=gone.parquet",
            "--set", "output.dir=train.parquet/out",
            "--set", "model.lora={target_modules: [q_pro, v_proj]}",
        )
    )  # fmt: skip
    assert "data.train: " in told
    assert "its manifest says 000000000000…" in told
    assert "data.test: gone.parquet: no such file" in told
    assert f"{weights}: has {whole - 100:,} bytes where its header says {whole:,}" in told
    assert "train.parquet is a file, not a directory" in told
    assert "model.lora.target_modules: the model has no module 'q_pro'" in told
    assert "did you mean 'q_proj'?" in told


def test_a_model_folder_without_weights(workplace: Workplace, tiny_model: Path) -> None:
    empty = copied(tiny_model, workplace.directory / "empty")
    (empty / "model.safetensors").unlink()
    told = refusal(workplace.run(*TRAIN, "run.yaml", "--set", f"model.name={empty}"))
    assert f"{empty}: cannot load the model: it has a configuration and no weights" in told
    assert not (workplace.directory / "one").exists()


def test_a_model_that_no_cache_holds_and_no_hub_may_be_asked_for(workplace: Workplace) -> None:
    told = refusal(workplace.run(*TRAIN, "run.yaml", "--set", "model.name=nobody/nothing"))
    assert (
        "nobody/nothing: no such directory, and as a model of the hub it is not in the cache"
        in told
    )
    assert "hint: unset HF_HUB_OFFLINE, or fetch it where there is a network" in told


def test_a_hub_that_cannot_be_reached(workplace: Workplace) -> None:
    told = refusal(
        workplace.run(
            *TRAIN, "run.yaml", "--set", "model.name=nobody/nothing",
            HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9", NO_PROXY="127.0.0.1",
        )
    )  # fmt: skip
    assert "the hub (http://127.0.0.1:9) cannot be reached: " in told


def test_an_evaluation_set_is_not_trained_on(workplace: Workplace) -> None:
    manifest = {"layout": [{"name": "llmbar", "rows": 35}]}
    (workplace.directory / "train.manifest.json").write_text(json.dumps(manifest))
    told = refusal(workplace.run(*TRAIN, "run.yaml"))
    assert "made from llmbar, an evaluation set" in told


def test_no_room_for_a_checkpoint(workplace: Workplace, small_disk: Path) -> None:
    (small_disk / "full").write_bytes(bytes(700_000))
    save = ["--set", f"output.dir={small_disk / 'run'}", "--set", "output.save_every_steps=1"]
    told = refusal(workplace.run(*TRAIN, "run.yaml", *save))
    assert f"{small_disk / 'run'}: one checkpoint and the trained model need 0." in told
    assert list(small_disk.iterdir()) == [small_disk / "full"]


def test_a_disk_that_is_read_only(workplace: Workplace, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    told = refusal(workplace.run(*TRAIN, "run.yaml", "--set", f"output.dir={small_disk / 'run'}"))
    assert f"output.dir: {small_disk / 'run'}: {small_disk} cannot be written to" in told


@pytest.mark.slow
def test_a_token_store_that_is_deleted_under_a_run_is_made_again(workplace: Workplace) -> None:
    cache = workplace.directory / "cache"
    process = subprocess.Popen(
        [*TRAIN, "run.yaml"],
        cwd=workplace.directory,
        env=workplace.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (workplace.directory / "one" / "logs").exists():
        time.sleep(0.01)
    assert list((cache / "tokens").glob("*.arrow"))  # the parent has made them
    shutil.rmtree(cache)
    stderr = process.communicate(timeout=240)[1]
    assert process.returncode == 0, stderr
    assert len(workplace.losses("one")) == 5
    assert list((cache / "tokens").glob("*.arrow"))


IMPORTED = """
import sys
from prefalign.config import load_run
from prefalign.preflight import preflight, remarks
from prefalign.models.without_torch import forgo_torch
config = load_run("run.yaml")
forgo_torch(config.model)
train = preflight(config, "run.yaml")
list(remarks(config, train))
print(len(train.store), "transformers" in sys.modules, "torch" in sys.modules)
import torch
print(torch.ones(2).sum().item())
"""


@pytest.mark.slow
def test_all_is_looked_at_without_torch_and_cut_off_token_stores_are_told(
    workplace: Workplace,
) -> None:
    done = workplace.run(sys.executable, "-c", IMPORTED)
    assert (done.returncode, done.stdout) == (0, "35 True False\n2.0\n"), done.stderr
    assert done.stderr == ""
    stores = list((workplace.directory / "cache" / "tokens").glob("*.arrow"))
    assert len(stores) == 2  # training and held-out pairs
    for left in (0.5, 0.0):
        for store in stores:
            os.truncate(store, int(left * store.stat().st_size))
        told = refusal(workplace.run(*TRAIN, "run.yaml"))
        assert "not a token store" in told
        assert "hint: rm " in told
