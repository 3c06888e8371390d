"""`prefalign plan`, as a program."""

import json
import shlex
from pathlib import Path

import jsonschema
import pytest

from tests.command import prefalign
from tests.prefalign.toys import write_toy_pairs

SCHEMA = Path(__file__).parents[3] / "schemas" / "run-plan-v1.json"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A directory with pairs and the dpo-lora recipe, set to a tiny model by hand."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    write_toy_pairs(folder / "data" / "train.parquet", 20)
    write_toy_pairs(folder / "data" / "test.parquet", 4, first=100)
    assert prefalign("init", "dpo-lora", cwd=folder).returncode == 0
    run_file = folder / "run.yaml"
    name = "HuggingFaceTB/SmolLM2-135M-Instruct"
    run_file.write_text(run_file.read_text().replace(name, str(tiny_model)))
    return folder


def plan(project: Path, *arguments: str):
    cache = {"PREFALIGN_CACHE": str(project / "cache")}
    return prefalign("plan", "run.yaml", *arguments, cwd=project, env=cache)


def test_json_fits_its_schema_and_names_sources(project: Path) -> None:
    ran = plan(project, "--format", "json", "--set", "optim.epochs=3", "--device-memory", "80GB")
    assert ran.returncode == 0, ran.stderr
    record = json.loads(ran.stdout)
    jsonschema.validate(record, json.loads(SCHEMA.read_text()))
    sources = {setting["key"]: setting for setting in record["settings"]}
    assert sources["optim.epochs"]["source"] == "--set"
    assert sources["optim.epochs"]["value"] == 3
    assert sources["method.beta"]["source"] == "recipe"
    assert sources["method.beta"]["recipe"] == "dpo-lora"
    assert sources["model.name"]["source"] == "file"
    lines = (project / "run.yaml").read_text().splitlines()
    assert lines[sources["model.name"]["line"] - 1].strip().startswith("name:")
    assert sources["hardware.num_processes"]["source"] == "default"
    assert record["work"]["steps"] == 3 * record["work"]["steps_per_epoch"] == 3
    assert record["work"]["pairs"] == 60
    assert record["fit"] == {"device_memory": 80_000_000_000, "kept_back": 2**30, "fits": True}
    (line,) = record["launch"]
    assert line.endswith("-m prefalign train run.yaml --set optim.epochs=3")


def test_text_says_what_to_do_where_memory_does_not_suffice(project: Path) -> None:
    ran = plan(project, "--device-memory", "100MB", "--set", "data.max_length=64",
               "--set", "data.truncation=keep_start")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    said = [line.strip() for line in ran.stdout.splitlines()]
    assert any("does not fit into 0.10 GB" in line for line in said)
    assert any(line.startswith("max_length  too long  chosen cut") for line in said)
    assert any(line.startswith("data.max_length") and line.endswith("--set") for line in said)
    launch = said[said.index("launch") + 1]
    assert shlex.split(launch)[-1] == "data.truncation=keep_start"
    assert not (project / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--device-memory", "much"), "'much' is no amount of memory"),
        (("--gpu", "H100", "--set", "hardware.device=cpu"), "the run says hardware.device: cpu"),
        (("--set", "optim.epoch=1"), "did you mean"),
        (("--set", "data.max_length=one"), "data.max_length"),
        (("--mfu", "0"), "is not in the range"),
        (("--set", "data.train=nowhere.parquet"), "nowhere.parquet"),
        (("--set", "model.name=./nowhere"), "./nowhere: no such file or directory"),
        (("--set", "engine=trl"), "plan with --set engine=prefalign"),
    ],
)
def test_what_cannot_be_planned(project: Path, arguments: tuple[str, ...], said: str) -> None:
    ran = plan(project, *arguments)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("text", ["- a list", "data: {train: [", "", "data:\n\ttrain: x\n"])
def test_files_that_are_no_run_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    ran = prefalign("plan", "run.yaml", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: run.yaml")


def test_no_file_at_all(tmp_path: Path) -> None:
    ran = prefalign("plan", "run.yaml", cwd=tmp_path)
    assert ran.returncode == 2
    assert "run.yaml: no such file" in ran.stderr


def test_the_launch_line_is_that_of_the_hardware_planned_for(project: Path) -> None:
    more = ("--set", "hardware.num_processes=4", "--format", "json")
    gpu = json.loads(plan(project, "--gpu", "A100", *more).stdout)
    (line,) = gpu["launch"]
    assert "--num_processes 4" in line
    assert "--multi_gpu" in line
    assert "CPU" not in line
    assert gpu["memory"]["process"] == gpu["memory"]["fragmentation"] == 0
    cpu = json.loads(plan(project, "--set", "hardware.device=cpu", *more).stdout)
    assert cpu["launch"][0].startswith("ACCELERATE_USE_CPU=true ")
    assert cpu["work"] == gpu["work"]
    memory = cpu["memory"]
    training = memory["training"] + memory["fragmentation"] + memory["kernels"]
    largest = max(training, memory["scoring"] + memory["kernels"], memory["loading"])
    assert memory["peak"] == memory["process"] + largest


def test_every_machine_gets_its_line(project: Path) -> None:
    assert prefalign("init", "--launcher", "multi_node", cwd=project).returncode == 0
    launcher = ("--", "--config_file", "multi_node.yaml", "--machine-rank=1")
    said = plan(project, "--gpu", "H100", *launcher).stdout.splitlines()
    assert "16 x H100" in said[0]
    assert "  of a whole model; the launcher divides it among 16 processes" in said
    shared = "  accelerate launch --config_file multi_node.yaml --machine_rank"
    assert said[-3:] == [
        "launch, on each machine its line",
        f"{shared} 0 --main_process_ip ADDRESS -m prefalign train run.yaml",
        f"{shared} 1 --main_process_ip ADDRESS -m prefalign train run.yaml",
    ]
    known = plan(project, "--gpu", "H100", *launcher, "--main_process_ip", "10.0.0.7").stdout
    assert "--machine_rank 1 --main_process_ip 10.0.0.7 -m prefalign" in known
