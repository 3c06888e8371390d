"""`prefalign init` and `prefalign validate`, as programs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefalign.launchers import launcher, launchers
from prefalign.recipes import recipes
from prefdata import write_pairs
from tests.prefdata.tokens.pairs import frame, real_pairs


def prefalign(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", "prefalign", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a run file and the pairs it names."""
    (tmp_path / "data").mkdir()
    write_pairs(frame(*real_pairs()), tmp_path / "data" / "train.parquet")
    write_pairs(frame(*real_pairs()[:4]), tmp_path / "data" / "test.parquet")
    assert prefalign("init", "orpo-lora", cwd=tmp_path).returncode == 0
    return tmp_path


def test_list(tmp_path: Path) -> None:
    result = prefalign("init", "--list", cwd=tmp_path)
    assert result.returncode == 0
    names = [line.partition("  ")[0] for line in result.stdout.splitlines()]
    assert names == [*recipes(), *(f"--launcher {name}" for name in launchers())]
    assert {"dpo", "dpo-lora", "dpo-70b", "orpo-0.1b", "simpo", "--launcher fsdp2"} <= set(names)
    assert not list(tmp_path.iterdir())


def test_init_writes_and_says_what_comes_next(tmp_path: Path) -> None:
    result = prefalign("init", "-o", "mine.yaml", cwd=tmp_path)
    assert result.returncode == 0
    assert "name: dpo\n" in (tmp_path / "mine.yaml").read_text()
    assert "prefalign validate mine.yaml" in result.stdout


def test_init_of_a_launcher(tmp_path: Path) -> None:
    result = prefalign("init", "--launcher", "fsdp2", cwd=tmp_path)
    assert result.returncode == 0
    assert (tmp_path / "fsdp2.yaml").read_text() == launcher("fsdp2")
    assert "prefalign train run.yaml -- --config_file fsdp2.yaml" in result.stdout
    unknown = prefalign("init", "--launcher", "fdsp2", cwd=tmp_path)
    assert unknown.returncode == 2
    assert unknown.stderr == ("error: there is no launcher 'fdsp2'\nhint: did you mean 'fsdp2'?\n")


def test_init_does_not_overwrite(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("mine")
    refused = prefalign("init", "orpo", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr == (
        "error: run.yaml: is there already\nhint: name another file, or add --force\n"
    )
    assert (tmp_path / "run.yaml").read_text() == "mine"
    assert prefalign("init", "orpo", "--force", cwd=tmp_path).returncode == 0
    assert "name: orpo\n" in (tmp_path / "run.yaml").read_text()


def test_init_of_an_unknown_recipe(tmp_path: Path) -> None:
    result = prefalign("init", "orpo-lara", cwd=tmp_path)
    assert result.returncode == 2
    assert "error: there is no recipe 'orpo-lara'\nhint: did you mean 'orpo-lora'?" in result.stderr


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    result = prefalign("init", "-o", "nowhere/run.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "nowhere/run.yaml: cannot be written: No such file or directory" in result.stderr


def test_validate_prints_the_resolved_run(project: Path) -> None:
    result = prefalign("validate", "run.yaml", "--set", "method.lambda_=0.25", cwd=project)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == "run.yaml is valid"
    assert "method    name orpo, nll_over all, lambda_ 0.25" in lines
    assert "pairs     train 30, test 4" in lines
    assert lines[-1] == "next: prefalign train run.yaml"


def test_validate_reports_every_problem(project: Path) -> None:
    settings = ["--set", "method.beta=1", "--set", "optim.epochs=0"]
    result = prefalign("validate", "run.yaml", *settings, cwd=project)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "--set method.beta: unknown key; ORPO's weight is lambda_" in result.stderr
    assert "--set optim.epochs: 0 must be greater than 0" in result.stderr
    assert "Traceback" not in result.stderr


def test_validate_looks_at_the_data(project: Path) -> None:
    (project / "votes.jsonl").write_text('{"question": "Hi", "good": "a", "bad": "b"}\n')
    (project / "empty.jsonl").touch()
    result = prefalign("validate", "run.yaml", "--set", "data.train=votes.jsonl", cwd=project)
    assert result.returncode == 2
    assert "data.train: votes.jsonl:1: not a canonical pair: id: Field required" in result.stderr
    assert "hint: prefdata convert votes.jsonl -o pairs.parquet" in result.stderr
    settings = ["--set", "data.train=empty.jsonl", "--set", "data.test=gone.parquet"]
    result = prefalign("validate", "run.yaml", *settings, "--set", "model.name=./gone", cwd=project)
    assert result.returncode == 2
    assert "data.train: empty.jsonl: holds no pairs" in result.stderr
    assert "data.test: gone.parquet: no such file" in result.stderr
    assert "model.name: ./gone: no such file or directory" in result.stderr
    assert "prefdata split pairs.parquet -o data" in result.stderr


def test_validate_refuses_new_adapters_for_adapters(project: Path) -> None:
    (project / "sft").mkdir()
    settings = '{"peft_type": "LORA", "base_model_name_or_path": "somebody/model"}'
    (project / "sft" / "adapter_config.json").write_text(settings)
    result = prefalign("validate", "run.yaml", "--set", "model.name=sft", cwd=project)
    assert result.returncode == 2
    assert (
        "model.lora: sft holds adapters, which are trained further with the rank they"
        in result.stderr
    )
    assert "prefalign merge sft -o merged" in result.stderr


def test_validate_counts_json_lines_and_leaves_the_hub_alone(project: Path) -> None:
    write_pairs(frame(*real_pairs()[:3]), project / "pairs.jsonl")
    settings = ["--set", "data.train=pairs.jsonl", "--set", "data.test=somebody/pairs"]
    result = prefalign("validate", "run.yaml", *settings, cwd=project)
    assert result.returncode == 0, result.stderr
    assert "pairs     train 3, test ?" in result.stdout


def test_validate_imports_no_torch(project: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from prefalign.cli.validate import command;"
        "r = CliRunner().invoke(command, ['run.yaml']); assert r.exit_code == 0, r.output;"
        "print([m for m in ('torch', 'transformers', 'datasets', 'polars') if m in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=project, env=environment, capture_output=True, text=True
    )
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize("command", ["init", "validate"])
def test_help_ends_with_examples(command: str, tmp_path: Path) -> None:
    result = prefalign(command, "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.count(f"\n    prefalign {command} ") >= 2
