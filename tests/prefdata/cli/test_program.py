"""The program as a whole: what it imports, how it ends, what its help says."""

import gzip
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import prefalign.cli
import prefdata.cli
from tests.command import prefdata as run
from tests.command import run_program

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "datasets", "polars", "pyarrow", "transformers", "trl", "pandas", "rich"}
ROW = {"prompt": "q", "chosen": "a", "rejected": "b"}


def modules_after(code: str) -> set[str]:
    """The top-level modules that are loaded after running `code` in a new interpreter."""
    code += "\nimport sys; print(*{m.partition('.')[0] for m in sys.modules})"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return set(ran.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import prefdata",
        "import prefalign",
        "import prefdata.cli as c; c.prefdata.main(['--help'], standalone_mode=False)",
        "import prefalign.cli as c; c.prefalign.main(['--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    assert not modules_after(code) & HEAVY


def test_a_conversion_needs_neither_torch_nor_datasets(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(ROW) + "\n")
    code = f"import prefdata; prefdata.check(prefdata.convert([{str(source)!r}]).pairs)"
    assert not modules_after(code) & {"torch", "datasets", "transformers", "trl"}


COMMANDS = [
    (program, info.name)
    for program, package in (("prefdata", prefdata.cli), ("prefalign", prefalign.cli))
    for info in pkgutil.iter_modules(package.__path__)
    if not info.name.startswith("_")
]


@pytest.mark.parametrize(("program", "command"), COMMANDS)
def test_every_command_says_what_it_does_and_shows_two_examples(program: str, command: str) -> None:
    ran = run_program(program, command, "--help")
    assert ran.returncode == 0
    examples = ran.stdout.partition("Examples:")[2]
    assert examples.count(f"{program} {command}") + examples.count("accelerate launch") >= 2
    listed = run_program(program, "--help").stdout
    assert f"  {command} " in listed


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_standard_input(tmp_path: Path, compress: type) -> None:
    data = compress(json.dumps(ROW).encode() + b"\n")
    ran = run("convert", "-", "-o", tmp_path / "out.jsonl", stdin=data)
    assert ran.returncode == 0, ran.stderr
    pair = json.loads((tmp_path / "out.jsonl").read_text())
    assert (pair["source"], pair["file"], pair["row"]) == ("stdin", "-", 1)
    assert run("check", "-", stdin=data).returncode == 0


def test_results_go_to_stdout_and_nothing_else_does(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(ROW) + "\n")
    ran = run("show", source, "--json")
    assert [json.loads(line)["row"] for line in ran.stdout.splitlines()] == [1]
    assert ran.stderr == ""


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text((json.dumps(ROW) + "\n") * 20_000)
    command = f"{sys.executable} -m prefdata show {source} -n 20000 --json | head -n 1"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, shell=True, capture_output=True, check=False, env=env)
    assert ran.stderr == b""
    assert json.loads(ran.stdout)["row"] == 1


def test_a_hub_name_that_cannot_be_loaded_is_a_short_error(tmp_path: Path) -> None:
    ran = run("convert", "nobody/no-such-set", "-o", tmp_path / "out.parquet")
    assert ran.returncode == 2
    assert "nobody/no-such-set: no such file, and the hub dataset cannot be loaded" in ran.stderr
    assert "HF_HUB_OFFLINE" in ran.stderr


def test_schema_prints_what_is_published() -> None:
    printed = json.loads(run("schema", "pair").stdout)
    assert printed == json.loads((ROOT / "schemas/pair-v1.json").read_text())
