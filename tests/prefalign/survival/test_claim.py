"""Run directories that are refused, cleared, or left alone."""

import shutil
from pathlib import Path

from prefalign.survival.claim import clear
from tests.prefalign.workplace import TRAIN, Workplace


def test_a_run_is_not_overwritten_by_accident(workplace: Workplace) -> None:
    (workplace.directory / "one" / "checkpoint-3").mkdir(parents=True)
    done = workplace.run(*TRAIN, "run.yaml")
    assert done.returncode == 2
    assert "one: its checkpoints have no manifest.json" in done.stderr
    assert "--overwrite" in done.stderr
    assert workplace.run(*TRAIN, "run.yaml", "--resume").returncode == 2
    shutil.rmtree(workplace.directory / "one")
    done = workplace.run(*TRAIN, "run.yaml", "--resume")
    assert done.returncode == 2
    assert "one: holds no checkpoint to go on from" in done.stderr


def test_a_finished_run_is_not_resumed(workplace: Workplace) -> None:
    (workplace.directory / "one").mkdir()
    (workplace.directory / "one" / "run.json").write_text("{}")
    for choice in ([], ["--resume"]):
        done = workplace.run(*TRAIN, "run.yaml", *choice)
        said = "one: finished already; --overwrite trains it again\n"
        assert (done.returncode, done.stderr) == (0, said)
    done = workplace.run(*TRAIN, "run.yaml", "--no-resume")
    assert done.returncode == 2
    assert "one: holds a run already" in done.stderr


def test_overwriting_takes_away_a_run_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("a project's own")
    clear(tmp_path)
    assert (tmp_path / "README.md").exists()
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_does_not_write_over_what_it_reads(workplace: Workplace, tiny_model: Path) -> None:
    run = workplace.directory / "one"
    run.mkdir()
    (run / "run.json").write_text("{}")
    shutil.copytree(tiny_model, run / "model")
    pairs = shutil.copy(workplace.directory / "train.parquet", run / "pairs.parquet")
    reads = ["--set", "model.name=one/model", "--set", f"data.train={pairs}"]
    for command in ("train", "validate"):
        line = [*TRAIN[:-1], command, "run.yaml", *reads]
        done = workplace.run(*line, *(["--overwrite"] if command == "train" else []))
        assert done.returncode == 2
        assert f"one/model, {pairs}: the run would write over it, in its own" in done.stderr
        assert "hint: choose another directory for the run: --set output.dir=DIR" in done.stderr
    assert (run / "model" / "model.safetensors").exists()
    assert (run / "pairs.parquet").exists()
