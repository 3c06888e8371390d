"""Every trap of the corpus ends in the finding, the refusal or the right pairs that its entry names."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.command import prefdata
from tests.traps.corpus import FOLDER, Outcome, Trap, copy_files, run, traps
from tests.traps.tokenizers import write_tokenizers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("traps")
    copy_files(made)
    write_tokenizers(made)
    return made


@pytest.mark.parametrize("trap", traps(), ids=lambda trap: trap.name)
def test_no_trap_passes_silently(trap: Trap, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    outcome, expected = run(trap), trap.expected
    assert outcome.exit == expected.code, outcome
    if expected.finds is not None:
        _holds_findings(outcome, expected.finds)
    elif expected.refuses is not None:
        assert expected.refuses in outcome.said
        assert not outcome.reads
    else:
        assert outcome.reads == expected.reads
        assert outcome.counts | expected.counts == outcome.counts
    if expected.tools is not None:
        read = [json.loads(tools) for tools in outcome.tools if tools]
        assert read == [json.loads(tools) for tools in expected.tools]


def _holds_findings(outcome: Outcome, finds: dict[str, list[int] | None]) -> None:
    for code, rows in finds.items():
        assert code in outcome.finds, outcome
        assert rows is None or outcome.finds[code] == rows, outcome


def test_the_index_and_the_files_are_one() -> None:
    words = {word for trap in traps() for word in shlex.split(trap.command)}
    files = {path.name for path in (FOLDER / "files").iterdir()}
    assert {trap.file for trap in traps()} <= files
    assert all(any(file in word for word in words) for file in files)
    assert len({trap.name for trap in traps()}) == len(traps()) >= 100


@pytest.mark.parametrize("trap", traps(), ids=lambda trap: trap.name)
def test_an_entry_expects_one_kind_of_outcome(trap: Trap) -> None:
    given = [trap.expected.finds, trap.expected.refuses, trap.expected.reads]
    assert sum(item is not None for item in given) == 1
    assert trap.expected.finds != {}
    assert trap.expected.reads != [] or trap.expected.counts, "rows that vanish are no finding"


def test_commands_do_the_same_in_a_process_of_their_own(folder: Path) -> None:
    ran = prefdata("check", "duplicate-key.jsonl", cwd=folder)
    assert ran.returncode == 1
    assert "duplicate-key.jsonl:2" in ran.stdout
    assert "PD004" in ran.stdout
