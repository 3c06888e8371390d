"""Run files: what is read, and what is said about what cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from prefalign.config import RunConfig, load_run
from prefalign.recipes import recipe, recipes
from prefdata.errors import ConfigError, InputError

MINIMAL = """\
data: {train: pairs.parquet}
model: {name: tiny}
method: {name: dpo}
output: {dir: out}
"""


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(MINIMAL)
    return path


def problems(text: str, tmp_path: Path, *overrides: str) -> list[str]:
    """What is wrong with a run file of this text."""
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_run(path, overrides)
    assert caught.value.message.startswith(f"{path}: ")
    return caught.value.problems


def edited(line: str, replacement: str) -> str:
    assert line in MINIMAL
    return MINIMAL.replace(line, replacement)


def test_a_minimal_file_gets_the_defaults(run_file: Path) -> None:
    run = load_run(run_file)
    assert run == RunConfig.model_validate(
        {
            "data": {"train": "pairs.parquet"},
            "model": {"name": "tiny"},
            "method": {"name": "dpo", "beta": 0.1},
            "output": {"dir": "out"},
        }
    )
    assert run.output.dir == Path("out")
    assert run.data.truncation == "drop"


def test_overrides_are_yaml_and_win(run_file: Path) -> None:
    overrides = [
        "method.beta=0.5",
        "optim.learning_rate=5e-7",
        "model.lora.r=4",
        "output.report_to=[tensorboard]",
        "data.test=a=b.parquet",
        "optim.max_steps=3",
        "optim.max_steps=null",
    ]
    run = load_run(run_file, overrides)
    assert run.method.model_dump()["beta"] == 0.5
    assert run.optim.learning_rate == 5e-7
    assert run.model.lora is not None
    assert run.model.lora.r == 4
    assert run.output.report_to == ["tensorboard"]
    assert run.data.test == "a=b.parquet"
    assert run.optim.max_steps is None


def test_an_override_may_complete_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(edited("method: {name: dpo}\n", "method:\n"))
    assert load_run(path, ["method.name=orpo"]).method.name == "orpo"


def test_home_is_home(run_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    run = load_run(run_file, ["output.dir=~/out", "data.train=~/a.parquet", "model.name=~/m"])
    places = (str(run.output.dir), run.data.train, run.model.name)
    assert places == ("/home/ann/out", "/home/ann/a.parquet", "/home/ann/m")


@pytest.mark.parametrize("name", recipes())
def test_recipes_are_valid(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(recipe(name))
    run = load_run(path)
    assert run.method.name == name.partition("-")[0]
    assert (run.model.lora is not None) == name.endswith("-lora")
    assert run.data.train == "data/train.parquet"


@pytest.mark.parametrize(
    ("line", "replacement", "expected"),
    [
        # unknown keys, and what was meant
        (
            "method: {name: dpo}",
            "method: {name: dpo, bta: 0.9}",
            "line 3: method.bta: unknown key; did you mean 'beta'?",
        ),
        (
            "method: {name: dpo}",
            "method: {name: orpo, beta: 0.1}",
            "line 3: method.beta: unknown key; ORPO's weight is lambda_ (TRL calls it beta)",
        ),
        (
            "method: {name: dpo}",
            "method: {name: dpo, lambda_: 0.1}",
            "line 3: method.lambda_: unknown key; lambda_ is ORPO's weight; DPO's temperature is beta",
        ),
        (
            "method: {name: dpo}",
            "method: {name: orpo, label_smoothing: 0.1}",
            "line 3: method.label_smoothing: unknown key; it is a setting of dpo",
        ),
        (
            "model: {name: tiny}",
            "model: {name: tiny}\nlearning_rate: 1",
            "line 3: learning_rate: unknown key; it is optim.learning_rate here",
        ),
        (
            "model: {name: tiny}",
            "model: {name: tiny}\nbatch: {per_device_train_batch_size: 1}",
            "line 3: batch.per_device_train_batch_size: unknown key;"
            " it is batch.micro_batch_size here",
        ),
        (
            "model: {name: tiny}",
            "model: {name: tiny, lora: {rank_pattern: 1}}",
            "line 2: model.lora.rank_pattern: unknown key;"
            " known keys: r, alpha, dropout, dora, target_modules",
        ),
        (
            "model: {name: tiny}",
            "model: {name: tiny}\n3: 4",
            "line 3: 3: unknown key; known keys: data, model, method, engine, optim, batch,"
            " hardware, eval, output, trl",
        ),
        # values
        (
            "{train: pairs.parquet}",
            "{train: pairs.parquet, max_length: long}",
            "line 1: data.max_length: 'long' must be a valid integer",
        ),
        (
            "{train: pairs.parquet}",
            "{train: pairs.parquet, max_length: 1}",
            "line 1: data.max_length: 1 must be greater than or equal to 2",
        ),
        (
            "{train: pairs.parquet}",
            "{train: pairs.parquet, truncation: keep-end}",
            "line 1: data.truncation: 'keep-end' must be drop, keep_start or keep_end;"
            " did you mean 'keep_end'?",
        ),
        (
            "{train: pairs.parquet}",
            "{train: [a.parquet]}",
            "line 1: data.train: ['a.parquet'] must be a valid string",
        ),
        (
            "model: {name: tiny}",
            "model: {name: tiny, lora: {target_modules: 3}}",
            "line 2: model.lora.target_modules: 3 must be a valid string or a valid list",
        ),
        ("{dir: out}", "{dir: 3}", "line 4: output.dir: 3 is no path"),
        ("{dir: out}", "out", "line 4: output: 'out' is no group of settings"),
        (
            "method: {name: dpo}",
            "method: {name: dop}",
            "line 3: method.name: 'dop' must be dpo, orpo or simpo; did you mean 'dpo'?",
        ),
        ("method: {name: dpo}", "method: dpo", "line 3: method: 'dpo' is no group of settings"),
        # missing
        (
            "method: {name: dpo}",
            "method: {beta: 1}",
            "line 3: method.name: missing: dpo, orpo or simpo",
        ),
        ("method: {name: dpo}\n", "", "method: missing: it needs method.name: dpo, orpo or simpo"),
        ("data: {train: pairs.parquet}\n", "", "data: missing: it needs data.train"),
        (
            "{train: pairs.parquet}",
            "{}",
            "line 1: data.train: missing: canonical pairs: a file or a hub dataset",
        ),
        # the text
        ("{dir: out}", "{dir: out, dir: b}", "line 4: output.dir: given again on line 4"),
        # settings that contradict each other
        (
            "model: {name: tiny}",
            "model: {name: tiny}\ntrl: {f_divergence_type: js}",
            "line 3: trl: only engine: trl reads these settings; set it or remove them",
        ),
        (
            "model: {name: tiny}",
            "model: {name: tiny}\neval:\n  every_steps: 5",
            "line 4: eval.every_steps: there is nothing to evaluate on; set data.test",
        ),
    ],
)
def test_one_problem(line: str, replacement: str, expected: str, tmp_path: Path) -> None:
    assert problems(edited(line, replacement), tmp_path) == [expected]


def test_a_key_given_again(tmp_path: Path) -> None:
    found = problems(MINIMAL + "model:\n  name: other\n", tmp_path)
    assert found == [
        "line 2: model: given again on line 5",
        "line 2: model.name: given again on line 6",
    ]


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = MINIMAL.replace("{name: tiny}", "{nam: tiny}").replace("{dir: out}", "{dir: out, x: 1}")
    found = problems(text, tmp_path, "optim.epochs=-1", "batch=3", "x", "model.name.y=1")
    assert found == [
        "line 2: model.nam: unknown key; did you mean 'name'?",
        "line 4: output.x: unknown key; known keys: dir, save_every_steps, log_every_steps, report_to, record_train",
        "--set x: expected group.key=value",
        "--set model.name: {'y': 1} must be a valid string",
        "--set optim.epochs: -1 must be greater than 0",
        "--set batch: 3 is no group of settings",
    ]


def test_an_override_of_something_inside_a_value(tmp_path: Path) -> None:
    found = problems(MINIMAL, tmp_path, "output.dir.x=1", "seed=[")
    assert found == [
        "--set output.dir.x: output.dir is no group of settings",
        "--set seed: the value is not YAML: [",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected groups of settings: data, model, method, output"),
        ("- data\n", "expected groups of settings: data, model, method, output"),
        (
            "data: [\n",
            "line 2: not YAML: expected the node content, but found '<stream end>'",
        ),
        (
            "a: 1\ndata: !!python/object/apply:os.system ['true']\n",
            "line 2: not YAML: could not determine a constructor for the tag"
            " 'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
    ],
)
def test_a_file_that_is_no_run_file(text: str, expected: str, tmp_path: Path) -> None:
    assert problems(text, tmp_path) == [expected]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file") as caught:
        load_run(tmp_path / "run.yaml")
    assert "prefalign init" in str(caught.value.hint)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        load_run(tmp_path / "run.yaml")


def test_long_values_are_cut(tmp_path: Path) -> None:
    (found,) = problems(
        edited("{dir: out}", "{dir: out, log_every_steps: %s}" % ("x" * 500)), tmp_path
    )
    assert len(found) < 120


def test_loading_needs_no_torch(run_file: Path) -> None:
    code = (
        "import sys; from prefalign import load_run; load_run(sys.argv[1]);"
        "print([m for m in ('torch', 'transformers', 'datasets', 'polars') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(run_file)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_run_built_in_python_is_refused_like_a_file() -> None:
    settings = {
        "data": {"train": "pairs.parquet"},
        "model": {"name": "tiny"},
        "method": {"name": "dpo", "wpo": True, "loss": "aot"},
        "eval": {"every_steps": 5},
        "output": {"dir": "out"},
        "trl": {"fp16": True},
    }
    with pytest.raises(ValidationError) as caught:
        RunConfig.model_validate(settings)
    assert [error["loc"] for error in caught.value.errors()] == [("method", "dpo", "wpo")]
    with pytest.raises(ValidationError, match="nothing to evaluate on") as caught:
        RunConfig.model_validate(settings | {"method": {"name": "dpo"}})
    assert [error["loc"] for error in caught.value.errors()] == [("trl",), ("eval", "every_steps")]


def test_a_micro_batch_may_be_left_to_the_run(run_file: Path, tmp_path: Path) -> None:
    assert load_run(run_file, ["batch.micro_batch_size=auto"]).batch.pairs_at_once == 1
    text = run_file.read_text()
    assert problems(text, tmp_path, "batch.micro_batch_size=atuo") == [
        "--set batch.micro_batch_size: 'atuo' must be a valid integer or auto; did you mean 'auto'?"
    ]
    assert problems(text, tmp_path, "batch.micro_batch_size=0") == [
        "--set batch.micro_batch_size: 0 must be greater than or equal to 1 or auto"
    ]
    settings = ["batch.micro_batch_size=auto", "batch.micro_batch_tokens=512"]
    assert problems(text, tmp_path, *settings) == [
        "--set batch.micro_batch_size: auto finds nothing out where micro_batch_tokens is set"
    ]
