"""The notebooks run from top to bottom in a real kernel, and what is committed of them shows results alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from prefalign.records.run import read_run

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NAMES = ("dpo_finetuning", "orpo_finetuning")


def pictures(notebook: Any) -> int:
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("dpo_finetuning", {"dpo": 1, "beta-*": 2, "pertoken": 1, "DPO+*": 1}),
        ("orpo_finetuning", {"orpo": 1, "dpo": 1, "lambda-*": 2}),
    ],
)
def test_a_notebook_runs_in_a_kernel(name: str, runs: dict[str, int], tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "notebooks")
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    committed = pictures(notebook)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    where = {"metadata": {"path": str(tmp_path / "notebooks")}}
    client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources=where)
    client.execute(
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    )  # raises where a cell does
    assert pictures(notebook) == committed >= 3
    made = tmp_path / "notebooks" / f"{name.partition('_')[0]}-out" / "out"
    for pattern, number in runs.items():
        finished = [read_run(file.parent) for file in made.glob(f"{pattern}/run.json")]
        assert len(finished) == number, pattern
        assert all(run.cost.steps == 6 and run.metrics is not None for run in finished)


@pytest.mark.parametrize("name", NAMES)
def test_committed_outputs_are_results_and_nothing_of_the_machine(name: str) -> None:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    for number, cell in enumerate(code(notebook), 1):
        assert cell.execution_count == number, f"cell {number} was not run in order"
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    words = json.dumps([without_pictures(output) for output in outputs])
    found = re.findall(
        r"(?:/(?:home|root|tmp|work|Users|opt|usr|var)/[^\s\"]*|\w+@\w+|Warning)", words
    )
    assert not found


def without_pictures(output: Any) -> Any:
    data = {
        kind: text for kind, text in output.get("data", {}).items() if not kind.startswith("image/")
    }
    return output.get("text", ""), data
