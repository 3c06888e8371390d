"""The trap corpus: tiny files, each one known failure, and what `index.yaml` expects of ours for each."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from msgspec import Struct

FOLDER = Path(__file__).parent
OUTPUT = "pairs.jsonl"


class Expected(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What ours must say; exactly one of `finds`, `refuses` and `reads` is given.

    Attributes:
        finds: code of a rule -> the rows at which `check` finds it; null for wherever it is.
        refuses: part of the message with which the command ends with 2.
        reads: the pairs that `convert` writes; prompt, chosen and rejected are texts, or lists of
            "role: text" where they are not one turn of the user or the assistant.
        counts: what `convert` does with the rows that give no pair.
        tools: the `tools` of the pairs, as JSON text.
        means: the pairs as `reads` has them, where a trainer does no harm that goes on with them.
        exit: exit code, where it is not the usual one.
    """

    finds: dict[str, list[int] | None] | None = None
    refuses: str | None = None
    reads: list[list[Any]] | None = None
    counts: dict[str, int] = {}
    tools: list[str] | None = None
    means: list[list[Any]] | None = None
    exit: int | None = None

    @property
    def code(self) -> int:
        if self.exit is not None:
            return self.exit
        return 2 if self.refuses else 1 if self.finds else 0


class Trap(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry of the index.

    Attributes:
        file: its name in `files`.
        wrong: what is wrong with it.
        source: where people meet it.
        command: what a person runs; `prefdata` is understood.
        expected: what ours must say.
        tokenizer: name of the tokenizer of `tests.traps.tokenizers` in whose tokens the fault is.
        max_length: the tokens that a run keeps, where the fault needs it.
        trl: how a user of TRL maps the columns where TRL does not know them; see `benchmarks.traps`.
    """

    file: str
    wrong: str
    source: str
    command: str
    expected: Expected
    tokenizer: str = "chatml"
    max_length: int | None = None
    trl: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return self.file.partition(".")[0]


class Outcome(Struct, frozen=True):
    """What a command did."""

    exit: int
    said: str
    finds: dict[str, list[int]]
    reads: list[list[Any]]
    counts: dict[str, int]
    tools: list[str | None]


@cache
def traps() -> list[Trap]:
    """Returns all entries of the index."""
    return msgspec.yaml.decode((FOLDER / "index.yaml").read_bytes(), type=list[Trap])


def copy_files(folder: Path) -> None:
    """Copies the files of all traps to `folder`, where commands may write beside them."""
    shutil.copytree(FOLDER / "files", folder, dirs_exist_ok=True)


def run(trap: Trap) -> Outcome:
    """Runs a trap's command in this process, in the current folder; see `copy_files`."""
    for path in Path().glob("pairs.*"):
        path.unlink()
    words = shlex.split(trap.command)
    checks = words[0] == "check"
    code, out, err = program([*words, "--format", "json"] if checks else words)
    read = Path(OUTPUT).read_text().splitlines() if Path(OUTPUT).exists() else []
    pairs = [json.loads(line) for line in read]
    return Outcome(
        exit=code,
        said=err,
        finds=_finds(out) if checks and code < 2 else {},
        reads=[[_short(pair[side]) for side in ("prompt", "chosen", "rejected")] for pair in pairs],
        counts=_counts(),
        tools=[pair.get("tools") for pair in pairs],
    )


def program(words: list[str]) -> tuple[int, str, str]:
    """Runs `prefdata` as its script does; returns exit code, stdout and stderr."""
    from prefdata.cli import prefdata
    from prefdata.cli import run as run_group

    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with (
        patch.object(sys, "argv", ["prefdata", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            run_group(prefdata, "prefdata")
        except SystemExit as end:
            code = end.code
    return int(code or 0), out.getvalue(), err.getvalue()


def _finds(report: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for finding in json.loads(report)["findings"]:
        found.setdefault(finding["code"], []).append(finding["row"])
    return found


def _counts() -> dict[str, int]:
    path = Path(OUTPUT).with_suffix(".manifest.json")
    return json.loads(path.read_text())["counts"] if path.exists() else {}


def _short(messages: list[dict[str, Any]]) -> Any:
    """Returns messages as `Expected.reads` writes them."""
    plain = messages[0]["role"] in ("user", "assistant") and not messages[0].get("tool_calls")
    if len(messages) == 1 and plain:
        return messages[0]["content"]
    return [
        f"{message['role']}: {message['content']} {message.get('tool_calls') or ''}".rstrip(" ")
        for message in messages
    ]
