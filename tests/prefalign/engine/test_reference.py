"""What the reference said is kept and found again, in real runs; what is broken or other is not used."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM

from prefalign.config import RunConfig
from prefalign.data.dataset import PairDataset
from prefalign.progress import Silence
from prefalign.run import train
from prefalign.scoring.reference import _Store
from tests.prefalign.toys import token_table, write_toy_pairs

PAIRS, HELD_OUT = 16, 3


class Runs:
    """Runs of one step with a store of their own."""

    def __init__(self, directory: Path, model: Path) -> None:
        self.directory = directory
        self.settings: dict[str, Any] = {
            "data": {
                "train": str(write_toy_pairs(directory / "train.parquet", PAIRS)),
                "test": str(write_toy_pairs(directory / "test.parquet", HELD_OUT, first=100)),
            },
            "model": {"name": str(model)},
            "method": {"name": "dpo"},
            "optim": {"max_steps": 1},
            "hardware": {"device": "cpu", "precision": "fp32"},
        }

    def config(self, **groups: dict[str, Any]) -> RunConfig:
        merged = {k: self.settings.get(k, {}) | groups.get(k, {}) for k in self.settings | groups}
        number = len(list(self.directory.glob("run*")))
        return RunConfig.model_validate(
            {"output": {"dir": str(self.directory / f"run{number}")}} | merged
        )

    def scored(self, **groups: dict[str, Any]) -> int:
        """Trains and returns how many pairs the reference had to score."""
        return train(self.config(**groups), Silence()).cost.reference_pairs

    def files(self) -> dict[Path, bytes]:
        store = self.directory / "cache" / "reference"
        return {path: path.read_bytes() for path in sorted(store.glob("*.parquet"))}


@pytest.fixture
def runs(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Runs after a first one, which scored everything."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    made = Runs(tmp_path, tiny_model)
    assert made.scored() == PAIRS + HELD_OUT
    return made


def test_what_is_known_is_not_computed_again(runs: Runs) -> None:
    before = runs.files()
    subset = str(runs.directory / "subset.parquet")
    pl.read_parquet(runs.settings["data"]["train"]).sample(7, seed=0).write_parquet(subset)
    changes: list[dict[str, dict[str, Any]]] = [
        {},
        {"optim": {"learning_rate": 1e-3, "epochs": 2, "seed": 5}},
        {"data": {"train": subset}},
        {"data": {"max_length": 900}},
        {"method": {"beta": 0.5, "loss": "ipo"}},
        {"model": {"lora": {"r": 4}}},
        {"batch": {"global_batch_size": 4, "micro_batch_size": 1}},
    ]
    for change in changes:
        assert runs.scored(**change) == 0, change
    assert runs.files() == before


def test_added_pairs_compute_themselves(runs: Runs) -> None:
    added = write_toy_pairs(runs.directory / "added.parquet", 5, first=200)
    both = str(runs.directory / "both.parquet")
    pl.concat([pl.read_parquet(runs.settings["data"]["train"]), pl.read_parquet(added)]).write_parquet(both)  # fmt: skip
    assert runs.scored(data={"train": both}) == 5
    assert runs.scored(data={"train": both}) == 0


def test_other_weights_precisions_and_tokens_are_computed(runs: Runs) -> None:
    other = runs.directory / "other"
    other.mkdir()
    for file in Path(runs.settings["model"]["name"]).iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    model = AutoModelForCausalLM.from_pretrained(other)
    with torch.no_grad():
        model.model.norm.weight[0] += 1e-3
    model.save_pretrained(other)
    assert runs.scored(model={"name": str(other)}) == PAIRS + HELD_OUT
    assert runs.scored(hardware={"precision": "bf16"}) == PAIRS + HELD_OUT
    # two tokens fewer than the longest pair of both sets: that one is another, all others are not
    longest = train(runs.config(), Silence())
    lengths = _lengths(runs)
    cut = int(lengths.max()) - 2
    assert (
        runs.scored(data={"max_length": cut, "truncation": "keep_start"}) == (lengths > cut).sum()
    )
    assert longest.cost.reference_pairs == 0


def _lengths(runs: Runs) -> Any:
    """Returns tokens of the longer side of every pair of both sets."""
    from prefalign.data.pair_set import read_set

    config = runs.config()
    sets = [read_set(source, config) for source in (config.data.train, config.data.test or "")]
    return np.concatenate([PairDataset(pairs.store.table).lengths for pairs in sets])


def test_tails_are_kept_beside_completions(runs: Runs) -> None:
    method = {"loss": "sigmoid", "ld_alpha": 0.5}
    assert runs.scored(method=method) == PAIRS  # held-out pairs need no tails
    assert runs.scored(method=method | {"ld_alpha": 0.2}) == 0


def test_a_damaged_file_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path))
    data = PairDataset(token_table(6))
    logps = -np.arange(1.0, 13.0).reshape(6, 2)
    store = _Store("digest", "fp32")
    store.add(data, np.arange(6), logps)
    (path,) = store.directory.glob("*.parquet")
    whole = path.read_bytes()
    damaged = [whole[:cut] for cut in (0, 3, 100, len(whole) - 1)]
    for bit in range(0, 8 * len(whole), 7):  # odd: every byte, and every bit of a byte in turn
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        found = store.read(data)
        assert np.isnan(found).all() or np.array_equal(found, logps)
    path.unlink(missing_ok=True)
    store.add(data, np.arange(6), logps)
    assert np.array_equal(store.read(data), logps)


def test_a_run_replaces_a_damaged_file(runs: Runs) -> None:
    for path, content in runs.files().items():
        path.write_bytes(content[:100])
    assert runs.scored() == PAIRS + HELD_OUT
    assert runs.scored() == 0


def command(script: str, *arguments: object, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


TRAIN = """
import sys
from prefalign.config import load_run
from prefalign.progress import Console
from prefalign.run import train
print(train(load_run(sys.argv[1]), Console()).cost.reference_pairs)
"""


@pytest.mark.slow
def test_runs_at_the_same_time(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(tmp_path, tiny_model)
    files = []
    for number in range(2):
        settings = runs.settings | {"output": {"dir": str(tmp_path / f"twin{number}")}}
        files.append(tmp_path / f"{number}.yaml")
        files[-1].write_text(yaml.safe_dump(settings))
    cache = {"PREFALIGN_CACHE": str(tmp_path / "cache")}
    twins = [command(TRAIN, file, **cache) for file in files]
    for twin in twins:
        stdout, stderr = twin.communicate(timeout=120)
        assert twin.returncode == 0, stderr
        assert int(stdout) in (0, HELD_OUT, PAIRS, PAIRS + HELD_OUT)
    losses = [(tmp_path / f"twin{n}" / "metrics.jsonl").read_text() for n in range(2)]
    assert all(json.loads(lines.splitlines()[1])["loss"] == pytest.approx(0.6931, abs=1e-4) for lines in losses)  # fmt: skip
    monkeypatch.setenv("PREFALIGN_CACHE", cache["PREFALIGN_CACHE"])
    assert runs.scored() == 0


class Heard(Silence):
    """Remembers what a run said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_a_store_that_takes_nothing_ends_no_run(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = runs.directory / "full"
    full.mkdir()
    (full / "reference").write_text("no directory")
    monkeypatch.setenv("PREFALIGN_CACHE", str(full))
    heard = Heard()
    assert train(runs.config(), heard).cost.reference_pairs == PAIRS + HELD_OUT
    (remark, _) = (text for text in heard.said if "reference" in text)
    assert remark.startswith(f"log-probs are not kept: {full / 'reference'}: the cache cannot")
    assert "set PREFALIGN_CACHE to another directory" in remark


WRITE = """
import numpy as np
from prefalign.data.dataset import PairDataset
from prefalign.scoring.reference import _Store
from tests.prefalign.toys import token_table
data = PairDataset(token_table(2000))
import pyarrow.parquet as pq
def slowly(table, path, **options):
    with open(path, "wb") as file:
        file.write(b"PAR1")
        file.flush()
        import time
        time.sleep(60)
pq.write_table = slowly
_Store("digest", "fp32").add(data, np.arange(2000), -np.ones((2000, 2)))
"""


def test_a_writer_that_is_killed_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path))
    writer = command(WRITE, PREFALIGN_CACHE=str(tmp_path))
    while not list(tmp_path.glob("reference/.*.tmp")) and writer.poll() is None:
        time.sleep(0.01)
    writer.kill()
    writer.communicate()
    assert list(tmp_path.glob("reference/.*.tmp"))  # it was in the middle of it
    data, logps = PairDataset(token_table(2000)), -np.ones((2000, 2))
    store = _Store("digest", "fp32")
    assert np.isnan(store.read(data)).all()
    store.add(data, np.arange(2000), logps)
    assert np.array_equal(store.read(data), logps)
    assert not list(tmp_path.glob("reference/.*.tmp"))
