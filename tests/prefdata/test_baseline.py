"""Baselines: what is in one is hidden, what is not is told, and what is gone is told, too."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.baseline import compare, read_baseline, write_baseline
from prefdata.config import RuleSettings
from prefdata.errors import InputError, PrefError
from prefdata.lint import Findings, lint
from prefdata.types import Origin
from tests.prefdata.pairs import PLAIN_FRAMES, frame, pair
from tests.prefdata.test_lint import SetAside

RULES = ["PD104", "PD201", "PD203", "PD301", "PD308", "PD501"]


def checked(pairs: pl.DataFrame, **options: object) -> Findings:
    return lint(pairs, select=RULES, **options)  # type: ignore[arg-type]


def sample() -> pl.DataFrame:
    same = (pair(f"q{i}", "same", "same", i) for i in range(3))
    return frame(*same, *(pair(f"p{i}", "longer", "b", i) for i in range(3, 40)))


@given(PLAIN_FRAMES, PLAIN_FRAMES)
def test_what_was_written_is_hidden_and_the_rest_is_new_or_stale(
    tmp_path_factory: pytest.TempPathFactory, before: pl.DataFrame, after: pl.DataFrame
) -> None:
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    old, now = checked(before), checked(after)
    written = write_baseline(old, path)
    assert read_baseline(path) == written
    same = compare(old, written)
    assert (same.new.frame.height, same.new.known, same.stale) == (0, old.frame.height, {})
    assert not same.new.broken
    compared = compare(now, written)
    keys = {(row["name"], row["id"] or "*") for row in old.frame.iter_rows(named=True)}
    keys_now = {(row["name"], row["id"] or "*") for row in now.frame.iter_rows(named=True)}
    left = {(row["name"], row["id"] or "*") for row in compared.new.frame.iter_rows(named=True)}
    assert left == keys_now - keys
    stale = {(name, place) for name, places in compared.stale.items() for place in places}
    assert stale == keys - keys_now
    assert compared.new.known + compared.new.frame.height == now.frame.height
    assert sum(rule.count for rule in compared.new.rules) == compared.new.frame.height


def test_neither_level_nor_value_is_part_of_a_finding(tmp_path: Path) -> None:
    baseline = write_baseline(checked(sample()), tmp_path / "b.json")
    changed = frame(*(pair(f"p{i}", "longer", "b", i) for i in range(50)))
    settings = {"length-bias": RuleSettings(level="error", max=0.5)}
    findings = checked(changed, settings=settings)
    assert findings.reach("error")
    assert not compare(findings, baseline).new.reach("info")


def test_rows_that_never_became_pairs_are_known_by_their_place(tmp_path: Path) -> None:
    def aside(row: int) -> list[SetAside]:
        return [SetAside(Origin("s", "f.jsonl", row), "null-text", "$", "null")]

    seventh = lint(frame(), select=["PD102"], quarantine=aside(7))
    baseline = write_baseline(seventh, tmp_path / "b.json")
    assert baseline.findings == {"null-text": ["f.jsonl:7"]}
    moved = compare(lint(frame(), select=["PD102"], quarantine=aside(8)), baseline)
    assert moved.new.frame["row"].to_list() == [8]
    assert moved.stale == {"null-text": ["f.jsonl:7"]}


def test_new_findings_enter_only_when_they_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    fewer = sample().filter(pl.col("row") != 1)
    write_baseline(checked(fewer), path)
    before = path.read_bytes()
    with pytest.raises(PrefError, match="has not these findings: 1 identical-pair") as error:
        write_baseline(checked(sample()), path)
    assert "--accept-new" in str(error.value.hint)
    assert path.read_bytes() == before
    write_baseline(checked(sample()), path, accept_new=True)
    assert len(read_baseline(path).findings["identical-pair"]) == 3
    write_baseline(checked(fewer), path)
    assert path.read_bytes() == before, "findings that are gone leave it"


def test_rules_that_did_not_run_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    whole = write_baseline(checked(sample()), path)
    some = lint(sample(), select=["length-bias"])
    assert compare(some, whole).stale == {}
    assert write_baseline(some, path) == whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no baseline: No such file"),
        ("", "not a baseline"),
        ("[]", "not a baseline"),
        ('{"version": 1, "findings": {"identical-pair": "all"}}', "not a baseline"),
        ('{"version": 1, "findings": {}, "extra": 1}', "not a baseline"),
        ('{"version": 2, "findings": {}}', "of version 2"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "b.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=said) as error:
        read_baseline(path)
    assert "--write-baseline" in str(error.value.hint)
    if text is not None:
        with pytest.raises(InputError):
            write_baseline(checked(sample()), path)
        assert path.read_text() == text, "somebody else's file is left alone"


@given(st.dictionaries(st.text(max_size=5), st.lists(st.text(max_size=5)), max_size=4))
def test_any_places_come_back(
    tmp_path_factory: pytest.TempPathFactory, places: dict[str, list[str]]
) -> None:
    path = tmp_path_factory.mktemp("baseline") / "b.json"
    path.write_bytes(msgspec.json.encode({"version": 1, "findings": places}))
    found = read_baseline(path)
    assert found.findings == places
    assert len(found) == sum(map(len, places.values()))
