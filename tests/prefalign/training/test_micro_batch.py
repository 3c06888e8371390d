"""How many pairs fit at once, found under a real limit of memory; what does not fit is told."""

import json
import random
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from prefalign.data.dataset import PairDataset
from prefalign.engine.self_test import choose_layout
from prefalign.training.micro_batch import Trial, largest, longest, most_worth_trying
from prefdata.frame import pairs_table, to_polars
from prefdata.types import Message, Origin, Pair
from tests.prefalign.toys import WORDS, token_table
from tests.prefalign.workplace import ENVIRONMENT, TRAIN
from tests.tiny import write_tiny_tokenizer

CPU = torch.device("cpu")
ROOM = 400_000_000
"""Bytes; a pair of the set below takes 0.07 GB, so that some of them fit and 16 do not."""

WITH_PEAK = """
import re, pathlib, prefalign.cli
try:
    prefalign.cli.main()
finally:
    print(re.search(r"VmPeak:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
"""
LAUNCHED = {"ACCELERATE_DYNAMO_BACKEND": "no", "ACCELERATE_USE_CPU": "true"}
"""What `accelerate launch --cpu` sets: the command is the worker itself."""


def write_wide_model(directory: Path) -> None:
    """A model that is small and keeps much: 0.26 MB a token."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512, hidden_size=64, intermediate_size=8192, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, bos_token_id=None, eos_token_id=2, pad_token_id=0,
        tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(directory)
    write_tiny_tokenizer(directory)


def write_long_pairs(path: Path, count: int) -> None:
    rng = random.Random(0)

    def said(first: str, words: int) -> tuple[Message]:
        text = " ".join([first, *rng.choices(WORDS, k=words)])
        return (Message("user" if first.endswith(":") else "assistant", text),)

    pairs = [
        Pair(
            prompt=said(f"Question {number}:", 10),
            chosen=said("Sure", 75),
            rejected=said("No", 75),
            origin=Origin("long", "long.jsonl", number + 1),
        )
        for number in range(count)
    ]
    to_polars(pairs_table(pairs)).write_parquet(path)


class Limited:
    """Runs `prefalign train` on 32 long pairs, in as much address space as it is given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.limit = resource.RLIM_INFINITY
        write_wide_model(directory / "wide")
        write_long_pairs(directory / "long.parquet", 32)
        settings = {
            "data": {"train": str(directory / "long.parquet")},
            "model": {"name": str(directory / "wide")},
            "method": {"name": "dpo"},
            "optim": {"learning_rate": 1e-4, "warmup_ratio": 0.0},
            "batch": {"global_batch_size": 16},
            "eval": {"micro_batch_size": 1},
            "hardware": {"device": "cpu", "precision": "fp32"},
            "output": {"dir": "out"},
        }
        (directory / "run.yaml").write_text(yaml.safe_dump(settings))

    def run(
        self, program: list[str], size: Any, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        def lowered() -> None:
            resource.setrlimit(resource.RLIMIT_AS, (self.limit, self.limit))

        settings = [f"batch.micro_batch_size={size}", f"output.dir={self.output(size)}"]
        return subprocess.run(
            [*program, "run.yaml", *(part for each in settings for part in ("--set", each))],
            cwd=self.directory, preexec_fn=lowered, capture_output=True, text=True, timeout=900, check=False,
            env=ENVIRONMENT | {"PREFALIGN_CACHE": str(self.directory / "cache")} | variables,
        )  # fmt: skip

    def output(self, size: Any) -> Path:
        return self.directory / f"out-{size}"

    def losses(self, size: Any) -> list[float]:
        lines = map(json.loads, (self.output(size) / "metrics.jsonl").read_text().splitlines())
        return [line["loss"] for line in lines]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Limited:
    """One pair at a time has run, and what all others may have follows from it."""
    made = Limited(tmp_path_factory.mktemp("limited"))
    one = made.run([sys.executable, "-c", WITH_PEAK, "train"], 1, **LAUNCHED)
    assert one.returncode == 0, one.stderr
    made.limit = int(one.stdout.split()[-1]) * 1024 + ROOM
    return made


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere address space has no limit")
def test_a_step_that_does_not_fit_ends_with_a_number_that_does(limited: Limited) -> None:
    failed = limited.run(TRAIN, 16)
    assert failed.returncode == 3, failed.stderr
    assert "Traceback" not in failed.stderr
    told = re.search(
        r"error: out of memory while training on 16 pairs at once \(batch.micro_batch_size\); "
        r"(\d+) at once fit, tried on the longest\nhint: --set batch.micro_batch_size=\1 ",
        failed.stderr,
    )
    assert told, failed.stderr
    named = limited.run(TRAIN, int(told[1]), **LAUNCHED)
    assert named.returncode == 0, named.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere address space has no limit")
def test_auto_finds_what_fits_and_changes_no_loss(limited: Limited) -> None:
    found = limited.run(TRAIN, "auto")
    assert found.returncode == 0, found.stderr
    record = json.loads((limited.output("auto") / "run.json").read_text())
    size = record["config"]["batch"]["micro_batch_size"]
    assert 1 <= size < 8
    assert f"micro-batch: {2 * size} pairs at once do not fit with room to spare" in found.stderr
    assert f"micro-batch: {size} pairs at once, found by trying the longest" in found.stderr
    assert limited.losses("auto") == pytest.approx(limited.losses(1), abs=1e-5)


def trial(model: Any, data: PairDataset) -> Trial:
    return Trial(model, data, CPU, "fp32", log_sum_sq=False, processes=1)


@pytest.fixture
def model(tiny_model: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)


@pytest.fixture
def data(model: Any) -> PairDataset:
    pairs = PairDataset(token_table(40, longest=60, choices=20))
    verdict = choose_layout(model, pairs, np.arange(40), device=CPU, precision="fp32")
    pairs.layout = verdict.layout
    return pairs


def test_trying_leaves_everything_as_it_was(model: Any, data: PairDataset) -> None:
    model.eval()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    random_before = torch.get_rng_state()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    assert trial(model, data).fits(8)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), random_before)
    assert resource.getrlimit(resource.RLIMIT_AS) == limits
    assert not model.training


def test_the_longest_pairs_are_tried_each_with_its_own_prompt(data: PairDataset) -> None:
    places = longest(data, 5).pairs
    assert len(set(data.prompt_ids[places])) == 5
    tokens = data.costs.prompts + data.costs.completions
    assert tokens[places[0]] == tokens.max()
    assert data.costs.total(places) >= max(
        data.costs.total(np.arange(start, start + 5)) for start in range(0, 40, 5)
    )


def test_no_more_is_tried_than_a_step_has_or_makes_faster(data: PairDataset) -> None:
    assert most_worth_trying(data, 16, 2, "cpu") == 8
    assert most_worth_trying(data, 10_000, 1, "cuda") == 40
    table = token_table(40, longest=3000, prompts=3000)
    assert most_worth_trying(PairDataset(table, layout="shared"), 40, 1, "cpu") == 1


@pytest.mark.parametrize(("room", "found"), [(0, 0), (1, 1), (5, 5), (7, 7), (11, 10), (31, 28)])
def test_the_most_that_fit_are_found_by_halves_and_two_steps_between(room: int, found: int) -> None:
    assert largest(lambda pairs: pairs <= room, 32) == found
