"""`prefdata report` and `prefdata card`: what they write, and what they refuse to overwrite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from prefdata.report.model import Report
from prefdata.report.page import render
from tests.command import prefdata

ROWS = [
    *({"prompt": f"Question {n}?", "chosen": "Yes.", "rejected": "No."} for n in range(12)),
    {"prompt": "Question 3?", "chosen": "Yes.", "rejected": "Yes."},
    {"prompt": "Question 4?", "chosen": None, "rejected": "No."},
]


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_a_raw_file_becomes_a_page_and_its_numbers(votes: Path) -> None:
    ran = prefdata("report", "votes.jsonl", "-o", "report.html", cwd=votes.parent)
    assert ran.returncode == 0, ran.stderr
    first, second = ran.stdout.splitlines()
    assert first.startswith("Not fit to train on as it is. 2 rules fail")
    assert second == "wrote report.html, report.json"
    report = Report.model_validate_json((votes.parent / "report.json").read_bytes())
    assert (votes.parent / "report.html").read_text(encoding="utf-8") == render(report)
    assert (report.pairs, report.prompts, report.quarantined) == (13, 12, 1)
    found = {broken.rule.name: broken for broken in report.broken}
    assert found["null-text"].samples[0].row is not None
    assert '"Question 4?"' in found["null-text"].samples[0].row.text
    assert report.made.command[:2] == ["prefdata", "report"]
    assert report.made.inputs[0].sha256
    again = prefdata("report", "votes.jsonl", "-o", "report.html", cwd=votes.parent)
    assert again.returncode == 0, "what it wrote it may write again"


def test_a_converted_set_brings_its_manifest_and_its_ties(votes: Path) -> None:
    folder = votes.parent
    (folder / "prefdata.toml").write_text('select = ["PD2", "missing-licence"]')
    for args in (
        ["convert", "votes.jsonl", "-o", "pairs.parquet", "--licence", "mit"],
        ["report", "pairs.parquet", "-o", "page.html", "--ignore", "PD201"],
    ):
        ran = prefdata(*args, cwd=folder)
        assert ran.returncode == 0, ran.stderr
    report = Report.model_validate_json((folder / "page.json").read_bytes())
    assert report.made.inputs[0].manifest is not None
    assert report.made.inputs[0].manifest.licence == "mit"
    assert {rule.code[:3] for rule in report.rules} == {"PD2", "PD7"}
    assert report.made.settings["ignore"] == ["PD201"]


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_a_file_of_somebody_else_is_not_overwritten(votes: Path, name: str) -> None:
    mine = votes.parent / name
    mine.write_text("mine")
    ran = prefdata("report", "votes.jsonl", "-o", "report.html", cwd=votes.parent)
    assert ran.returncode == 2
    assert f"{name}: exists, and was not written by prefdata" in ran.stderr
    assert mine.read_text() == "mine"


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    ran = prefdata("report", "nothing.jsonl", "-o", "report.html", cwd=tmp_path)
    assert ran.returncode == 2
    assert not list(tmp_path.iterdir())


def test_the_output_is_a_page(votes: Path) -> None:
    ran = prefdata("report", "votes.jsonl", "-o", "report.json", cwd=votes.parent)
    assert ran.returncode == 2
    assert "-o report.html" in ran.stderr


def test_a_card_names_licence_and_address_of_the_manifest(votes: Path) -> None:
    folder = votes.parent
    converted = prefdata(
        *("convert", "votes.jsonl", "-o", "pairs.parquet", "--licence", "cc-by-4.0"),
        *("--source-url", "https://example.org/votes"),
        cwd=folder,
    )
    assert converted.returncode == 0, converted.stderr
    ran = prefdata("card", "pairs.parquet", "-o", "README.md", cwd=folder)
    assert (ran.returncode, ran.stdout) == (0, "wrote README.md\n"), ran.stderr
    card = (folder / "README.md").read_text()
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["license"] == "cc-by-4.0"
    assert "Described at `https://example.org/votes`." in body
    assert "| train | 13 | 12 |" in body
    assert prefdata("card", "pairs.parquet", cwd=folder).stdout == card
    assert prefdata("card", "pairs.parquet", "-o", "README.md", cwd=folder).returncode == 0


def test_a_card_does_not_overwrite_a_readme(votes: Path) -> None:
    readme = votes.parent / "README.md"
    readme.write_text("# Mine\n")
    assert prefdata("convert", "votes.jsonl", "-o", "p.parquet", cwd=votes.parent).returncode == 0
    ran = prefdata("card", "p.parquet", "-o", "README.md", cwd=votes.parent)
    assert ran.returncode == 2
    assert "is no dataset card of prefdata" in ran.stderr
    assert readme.read_text() == "# Mine\n"
