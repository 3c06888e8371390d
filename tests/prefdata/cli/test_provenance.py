"""Licence and source of a set: named once, kept on the way, and a file held to its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import prefdata

ROWS = """\
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
{"prompt": "Name a fruit.", "chosen": "Apple.", "rejected": "Six."}
{"prompt": "Name a fruit.", "chosen": "Apple.", "rejected": "Six."}
"""


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_text(ROWS, encoding="utf-8")
    terms = ["--licence", "cc-by-4.0", "--source-url", "https://acme.org/votes"]
    ran = prefdata("convert", "in.jsonl", "-o", "pairs.jsonl", *terms, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    return tmp_path / "pairs.jsonl"


def broken(path: Path) -> set[str]:
    ran = prefdata("check", path.name, "--select", "PD7", "--format", "json", cwd=path.parent)
    return {rule["name"] for rule in json.loads(ran.stdout)["rules"] if rule["count"]}


def test_licence_and_source_stay_with_a_set(converted: Path) -> None:
    ran = prefdata("curate", "pairs.jsonl", "-o", "clean.jsonl", cwd=converted.parent)
    assert ran.returncode == 0, ran.stderr
    manifest = json.loads((converted.parent / "clean.manifest.json").read_text(encoding="utf-8"))
    assert manifest["licence"] == "cc-by-4.0"
    assert manifest["source_url"] == "https://acme.org/votes"
    assert broken(converted) == broken(converted.parent / "clean.jsonl") == set()


def test_a_file_that_was_changed_is_not_what_its_manifest_says(converted: Path) -> None:
    first, *_ = converted.read_text(encoding="utf-8").splitlines(keepends=True)
    converted.write_text(first, encoding="utf-8")
    assert broken(converted) == {"manifest-mismatch"}


def test_a_converted_file_without_its_manifest_has_no_source(converted: Path) -> None:
    converted.with_suffix(".manifest.json").unlink()
    assert broken(converted) == {"missing-source"}


def test_a_raw_file_is_not_asked(converted: Path) -> None:
    assert broken(converted.parent / "in.jsonl") == set()
