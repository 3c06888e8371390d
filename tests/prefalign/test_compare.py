"""Comparing real runs of the tiny model: what is refused, what is measured, what is printed."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import jsonschema
import polars as pl
import pytest

from prefalign.compare import compare
from prefalign.comparison.finished import find_runs
from prefalign.comparison.record import UNTOUCHED, Comparison
from prefalign.comparison.samples import spread
from prefalign.config import RunConfig
from prefalign.metrics import Estimate
from prefalign.progress import Silence
from prefalign.records.run import RUN_FILE
from prefalign.run import train
from prefdata import read_pairs
from prefdata.conversion import ConvertOptions, convert_to
from prefdata.errors import ConfigError, InputError
from prefdata.schemas import json_schema
from tests.command import prefalign

COLOURS = ["red", "green", "blue", "black", "white", "grey", "pink", "brown", "gold", "teal"]


def write_pairs(path: Path, *, first: int, number: int) -> Path:
    """Writes pairs in which the completion that names a colour once is better; two a prompt."""
    raw = path.with_suffix(".raw.jsonl")
    rows = []
    for n in range(first, first + number):
        colour = COLOURS[n % 10]
        prompt = f"Question {n // 2}: which colour?"
        good = f"It is {colour}, number {n}."
        rows.append(
            {"prompt": prompt, "chosen": good, "rejected": f"{colour} " * (1 + n % 4) + f"{n}"}
        )
    raw.write_text("".join(json.dumps(row) + "\n" for row in rows))
    convert_to([str(raw)], path, ConvertOptions(), command=["test"])
    return path


def run_config(folder: Path, model: Path, method: str, **data: object) -> RunConfig:
    return RunConfig.model_validate(
        {
            "data": {"train": str(folder / "train.parquet"), "test": str(folder / "test.parquet"),
                     "max_length": 128} | data,
            "model": {"name": str(model), "lora": {"r": 4}},
            "method": {"name": method},
            "optim": {"learning_rate": 5e-3 if method == "dpo" else 8e-3, "epochs": 2},
            "batch": {"global_batch_size": 8, "micro_batch_size": 8},
            "eval": {"every_steps": 3},
            "hardware": {"device": "cpu", "precision": "fp32"},
            "output": {"dir": str(folder / "out" / method)},
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Path]:
    """A directory with train.parquet, test.parquet, out/dpo and out/orpo."""
    folder = tmp_path_factory.mktemp("compare")
    write_pairs(folder / "train.parquet", first=0, number=32)
    write_pairs(folder / "test.parquet", first=100, number=24)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFALIGN_CACHE", str(folder / "cache"))
        for method in ("dpo", "orpo"):
            train(run_config(folder, tiny_model, method), Silence())
        yield folder


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[Path]:
    return [folder / "out" / "dpo", folder / "out" / "orpo"]


@pytest.fixture(scope="module")
def comparison(runs: list[Path]) -> Comparison:
    return compare(runs, samples=2, command="prefalign compare dpo orpo")


def edited(run: Path, target: Path, **changes: object) -> Path:
    """Copies a run directory and sets fields of its run.json, given as `group__key=value`."""
    shutil.copytree(run, target)
    record = json.loads((target / RUN_FILE).read_text())
    for dotted, value in changes.items():
        *groups, key = dotted.split("__")
        place = record
        for group in groups:
            place = place[group]
        assert key in place
        place[key] = value
    (target / RUN_FILE).write_text(json.dumps(record))
    return target


def test_the_untouched_model_is_the_first_and_exactly_one_half(comparison: Comparison) -> None:
    first = comparison.runs[0]
    assert first.name == UNTOUCHED
    assert first.metrics.accuracy_reference == Estimate(0.5, 0.5, 0.5)
    assert first.metrics.drift_chosen == first.metrics.drift_rejected == Estimate(0, 0, 0)
    assert first.metrics.accuracy_sum.low < first.metrics.accuracy_sum.high
    assert first.cost is None


def test_runs_are_measured_from_their_recorded_pairs(comparison: Comparison, folder: Path) -> None:
    dpo, orpo = comparison.trained
    assert (dpo.name, orpo.name) == ("dpo", "orpo")
    frame = pl.read_parquet(folder / "out" / "dpo" / "pairs.parquet")
    moved = frame["chosen_logps"] - frame["ref_chosen_logps"]
    away = frame["rejected_logps"] - frame["ref_rejected_logps"]
    assert dpo.metrics.accuracy_reference.value == (moved > away).mean()
    assert dpo.metrics.accuracy_reference.value > 0.6
    assert dpo.metrics.drift_chosen.value == pytest.approx(
        moved.sum() / frame["chosen_tokens"].sum()
    )
    assert dpo.against_untouched is not None
    assert dpo.against_untouched.accuracy_reference.value == pytest.approx(
        dpo.metrics.accuracy_reference.value - 0.5
    )
    best = comparison.best
    assert best.against_best is not None
    assert best.against_best.margin_reference == Estimate(0, 0, 0)


def test_what_a_reader_needs_is_there(comparison: Comparison) -> None:
    assert (comparison.held_out.pairs, comparison.held_out.prompts) == (24, 12)
    assert comparison.common.train_pairs == 32
    for run in comparison.trained:
        assert run.cost is not None
        assert run.cost.pairs_seen == 64
        assert len(run.losses) == 8
        assert [point.pairs_seen for point in run.held_out] == [0, 24, 48, 64]
        assert run.held_out[0].accuracy_reference == 0.5
        assert run.held_out[-1].accuracy_reference == run.metrics.accuracy_reference.value
    dpo, orpo = (run.cost for run in comparison.trained)
    assert dpo is not None
    assert orpo is not None
    assert dpo.reference_flops > orpo.reference_flops == 0


def test_samples_are_of_different_prompts_and_by_every_model(comparison: Comparison) -> None:
    assert len(comparison.samples) == 2
    for sample in comparison.samples:
        assert list(sample.completions) == [UNTOUCHED, "dpo", "orpo"]
        assert sample.prompt[-1].content.startswith("Question ")
    assert comparison.samples[0].prompt != comparison.samples[1].prompt


def test_other_pairs_are_scored_now_and_agree_with_what_was_recorded(
    comparison: Comparison, runs: list[Path], folder: Path
) -> None:
    copied = folder / "same.parquet"
    shutil.copy(folder / "test.parquet", copied)
    again = compare(runs, pairs=str(copied))
    assert again.held_out.token_fingerprint == comparison.held_out.token_fingerprint
    for now, then in zip(again.runs, comparison.runs, strict=True):
        assert now.metrics.margin_reference.value == pytest.approx(
            then.metrics.margin_reference.value, abs=1e-4
        )
        assert now.metrics.nll_chosen.value == pytest.approx(
            then.metrics.nll_chosen.value, abs=1e-4
        )


def test_every_difference_is_named_at_once(runs: list[Path], tmp_path: Path) -> None:
    other = edited(
        runs[1],
        tmp_path / "other",
        model__digest="ff" * 16,
        train__sha256="ee" * 32,
        train__token_fingerprint="dd" * 16,
        test__token_fingerprint="cc" * 16,
        config__data__max_length=64,
    )
    with pytest.raises(ConfigError) as caught:
        compare([runs[0], other])
    starts = [problem.partition(":")[0] for problem in caught.value.problems]
    assert starts == [
        "base model",
        "training data, sha256",
        "max_length",
        "training tokens",
        "held-out tokens",
    ]
    assert "max_length: dpo 128, other 64" in caught.value.problems
    assert caught.value.hint is not None


def test_only_other_held_out_pairs_can_be_helped_with_pairs(
    runs: list[Path], tmp_path: Path, folder: Path
) -> None:
    other = edited(runs[1], tmp_path / "other", test__token_fingerprint="cc" * 16)
    with pytest.raises(ConfigError, match="held-out tokens") as caught:
        compare([runs[0], other])
    assert "--pairs FILE" in str(caught.value.hint)
    assert compare([runs[0], other], pairs=str(folder / "test.parquet")).held_out.pairs == 24


def test_allowed_differences_are_remarked_on(runs: list[Path], tmp_path: Path) -> None:
    other = edited(
        runs[1],
        tmp_path / "other",
        engine="trl",
        config__optim__learning_rate=5e-3,
    )
    assert compare([runs[0], other]).remarks == [
        "engine: dpo prefalign, other trl",
        "the methods share a learning rate, and each has its own best one: try several",
    ]


def test_without_the_texts_the_numbers_stay(runs: list[Path], tmp_path: Path) -> None:
    moved = [
        edited(run, tmp_path / run.name, test__source=str(tmp_path / "gone.parquet"))
        for run in runs
    ]
    found = compare(moved, samples=3)
    assert found.held_out.prompts is None
    assert found.samples == []
    assert "gone.parquet is gone or changed" in found.remarks[-1]


def test_what_is_no_finished_run_is_named(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run\.json, so no finished run"):
        compare([runs[0], tmp_path])
    broken = edited(runs[0], tmp_path / "old", version=7)
    with pytest.raises(InputError, match=r"run\.json: version: Input should be 1"):
        compare([broken])
    bare = edited(runs[0], tmp_path / "bare", test=None)
    with pytest.raises(InputError, match="no held-out pairs") as caught:
        compare([bare])
    assert "--pairs" in str(caught.value.hint)
    (tmp_path / "mixed").mkdir()
    mixed = edited(runs[1], tmp_path / "mixed" / "orpo")
    frame = pl.read_parquet(mixed / "pairs.parquet")
    frame.reverse().write_parquet(mixed / "pairs.parquet")
    with pytest.raises(InputError, match=r"pairs\.parquet: holds other pairs than dpo's"):
        compare([runs[0], mixed])
    (tmp_path / "lost").mkdir()
    lost = edited(runs[0], tmp_path / "lost" / "dpo")
    (lost / "pairs.parquet").unlink()
    with pytest.raises(InputError, match=r"pairs\.parquet: cannot be read"):
        compare([lost])


def test_runs_of_one_name_go_by_their_paths(runs: list[Path], tmp_path: Path) -> None:
    twin = edited(runs[0], tmp_path / "dpo")
    assert [run.name for run in find_runs([runs[0], twin])] == [str(runs[0]), str(twin)]


def test_samples_are_spread_over_distinct_prompts(folder: Path) -> None:
    pairs = read_pairs(folder / "test.parquet")
    assert spread(pairs, 3)["prompt_id"].n_unique() == 3
    assert spread(pairs, 100).height == 12
    assert spread(pairs, 1)["id"].to_list() == pairs["id"].to_list()[:1]


def test_the_command_prints_a_table_and_writes_a_page(runs: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "pages" / "page.html"
    done = prefalign("compare", *runs, "--html", page, "--samples", "1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "24 held-out pairs from 12 prompts, 95 % intervals"
    assert lines[1].split() == ["untouched", "dpo", "orpo"]
    relative = next(line for line in lines if "relative to reference" in line)
    assert relative.split()[3] == "50.0"
    assert next(line for line in lines if "by summed log-prob" in line).count(" to ") == 3
    assert any("than the untouched model" in line or "cannot be told" in line for line in lines)
    assert "<h2>What they write</h2>" in page.read_text()
    assert f"wrote {page}" in done.stderr
    assert "\x1b" not in done.stdout


def on_a_terminal(columns: int, *command: str) -> str:
    """Returns what a command prints on a terminal so wide, without colours."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm"}
    with subprocess.Popen(
        command, stdout=theirs, stderr=subprocess.PIPE, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how Linux says that the other side has closed
            while part := os.read(ours, 4096):
                shown += part
        os.close(ours)
        assert process.wait() == 0, process.stderr and process.stderr.read()
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal_the_table_fits(runs: list[Path], columns: int) -> None:
    command = [sys.executable, "-m", "prefalign", "compare", *map(str, runs)]
    lines = on_a_terminal(columns, *command).splitlines()
    assert max(map(len, lines)) <= columns
    row = next(place for place, line in enumerate(lines) if "by summed log-prob" in line)
    intervals = [line.count(" to ") for line in lines[row : row + 2]]
    # the narrow table has intervals under their values
    assert intervals[0] == 3 if columns == 200 else intervals == [0, 3]


def test_json_fits_the_schema(runs: list[Path]) -> None:
    done = prefalign("compare", *runs, "--format", "json", "--samples", "0")
    assert done.returncode == 0, done.stderr
    schema = json_schema("compare", {"compare": "prefalign.comparison.record:Comparison"})
    jsonschema.validate(json.loads(done.stdout), schema)
    assert Comparison.model_validate_json(done.stdout).runs[0].name == UNTOUCHED


def test_a_refusal_is_a_message_and_exit_code_2(runs: list[Path], tmp_path: Path) -> None:
    other = edited(runs[1], tmp_path / "other", config__data__max_length=64)
    done = prefalign("compare", runs[0], other)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "max_length: dpo 128, other 64" in done.stderr
    assert "hint:" in done.stderr
