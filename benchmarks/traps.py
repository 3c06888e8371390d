"""Every trap of tests/traps, and what ours and the trainers that people use do with it.

    python -m benchmarks.traps --output benchmarks/traps.md
    python -m benchmarks.traps --only empty-rejected na-cell

Ours runs the command of the index. A trainer reads the file with `datasets.load_dataset`, its columns
mapped as benchmarks.traps_sides says, prepares it as it always does, and TRL trains a 2-layer model on
it for one step. Each run is a process of its own, ended after a minute. The verdicts are made of what
was seen alone: benchmarks.traps_verdict. LLaMA-Factory and Axolotl are left out where they cannot be
imported.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from benchmarks import traps_axolotl, traps_llama_factory, traps_trl
from benchmarks.report import machine
from benchmarks.traps_sides import Observed
from benchmarks.traps_verdict import KINDS, Verdict, judge
from prefdata import __version__
from prefdata.checks import RULES
from tests.tiny import write_tiny_model
from tests.traps.corpus import Outcome, Trap, copy_files, run, traps
from tests.traps.tokenizers import write_tokenizers

PACKAGES = ("trl", "datasets", "transformers", "torch", "llamafactory", "axolotl")
PEERS: dict[str, ModuleType] = {
    "TRL": traps_trl,
    "LLaMA-Factory": traps_llama_factory,
    "Axolotl": traps_axolotl,
}
SECONDS = 60
_FAULTLESS = (
    "openai-preference"  # what trainers warn of here, where nothing is wrong, all files bring
)


def main() -> None:
    """Runs all sides, and prints or writes the report."""
    args = _arguments()
    os.environ |= {"HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
    chosen = [trap for trap in traps() if not args.only or trap.name in args.only]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HF_HOME"] = str(folder / "cache")
        copy_files(folder)
        write_tokenizers(folder)
        write_tiny_model(folder / "model")
        os.chdir(folder)
        ours = [run(trap) for trap in chosen]
        peers: dict[str, list[Verdict]] = {}
        text = report(chosen, ours, peers)
        for side in args.peers:
            found = _of_peer(PEERS[side], chosen, folder)
            if found is not None:
                peers[side] = found
                text = report(chosen, ours, peers)
                if args.output:  # after each, for all of them take half an hour
                    args.output.write_text(text, encoding="utf-8")
    if not args.output:
        print(text)


def _of_peer(peer: ModuleType, chosen: Sequence[Trap], folder: Path) -> list[Verdict] | None:
    """Returns the verdict on each trap; None where the trainer cannot be imported."""
    try:
        peer.warm_up()
    except ImportError as error:
        print(f"left out: {error}", file=sys.stderr)
        return None
    faultless = next(trap for trap in traps() if trap.name == _FAULTLESS)
    usual = set(_observed(peer, faultless, folder).warned)
    found = []
    for number, trap in enumerate(chosen, 1):
        if sys.stderr.isatty():
            print(f"\r{peer.__name__} {number} of {len(chosen)}", end="", file=sys.stderr)
        observed = _observed(peer, trap, folder)
        new = [text for text in observed.warned if text not in usual]
        found.append(judge(trap, msgspec.structs.replace(observed, warned=new)))
    return found


def _observed(peer: ModuleType, trap: Trap, folder: Path) -> Observed:
    """Returns what a trainer does, without the names of folders of this machine."""
    found = _isolated(peer.observe, trap, folder)
    observed = found or Observed(error=f"no answer within {SECONDS} s, or the process died")
    error = observed.error and observed.error.replace(f"{folder}/", "")
    warned = [text.replace(f"{folder}/", "") for text in observed.warned]
    return msgspec.structs.replace(observed, error=error, warned=warned)


def _isolated(function: Callable[..., Any], *args: Any) -> Any:
    """Returns what a function returns in a forked process; None where it does not come to that."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_send, args=(sender, function, args))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(SECONDS) else None
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()


def _send(sender: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Runs in the forked process, whose own output is nobody's."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sender.send(function(*args))


def report(chosen: Sequence[Trap], ours: Sequence[Outcome], peers: dict[str, list[Verdict]]) -> str:
    """Returns the whole page, in Markdown."""
    versions = machine(PACKAGES)
    return "\n".join(
        [
            "# Traps",
            "",
            f"{len(chosen)} tiny files, each one known failure of preference data, with what is done about it."
            f" {datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks.traps --output benchmarks/traps.md`,"
            f" prefdata {__version__} on {versions}.",
            "",
            _PAGE,
            "",
            *_counts(chosen, ours, peers),
            "",
            *_rows(chosen, ours, peers),
            "",
        ]
    )


_PAGE = """\
Every cell is from a run: `python -m benchmarks.traps --only NAME` repeats those of one row. The files, and
where each fault is met, are in tests/traps. Ours runs the command given, in tests/traps/files. A trainer
reads the same file with `datasets.load_dataset`, prepares it, and TRL also trains a random 2-layer model
for one step; where it does not know the layout, the columns are first mapped as the row says. Where the
trap is a convention (which number is the first answer, rank or score, which side was left), the map
takes the other one: that is the mistake, and what counts is whether anything stops it. Any warning
that a faultless file does not bring counts as one, whatever it is about.

- error, names the row: it stops, and its traceback says where the fault is
- error: it stops, and the row is left to be found
- warning: it goes on, and says something
- silent: it goes on without a word, with what is written there. `"A" over "B"` are the completion tokens,
  decoded, chosen first. Whether that harms depends on the trap: ours has a level for each finding
- right: it trains on what the file means

A finding of ours counts as an error that names the row, whatever its level. LLaMA-Factory is asked for its
dataset only, and Axolotl for its strategy `chat_template`, which hands on to the same TRL as above. Both
pin older versions of TRL and transformers than those here (`DISABLE_VERSION_CHECK=1`), so an error
of theirs may be of the versions."""


def _counts(
    chosen: Sequence[Trap], ours: Sequence[Outcome], peers: dict[str, list[Verdict]]
) -> list[str]:
    lines = ["|  | " + " | ".join(KINDS) + " |", "| --- |" + " ---: |" * len(KINDS)]
    own = Counter(map(_own_kind, chosen, ours))
    lines.append(_line("prefdata", own))
    for side, verdicts in peers.items():
        lines.append(_line(side, Counter(verdict.kind for verdict in verdicts)))
        serious = Counter(
            verdict.kind for trap, verdict in zip(chosen, verdicts, strict=True) if _serious(trap)
        )
        lines.append(
            _line(f"{side}, of {serious.total()} where ours refuses or has an error", serious)
        )
    return lines


def _line(name: str, counts: Counter[Any]) -> str:
    return f"| {name} | " + " | ".join(str(counts[kind]) for kind in KINDS) + " |"


def _own_kind(trap: Trap, outcome: Outcome) -> str:
    """Returns the class of what ours did, judged as the others are: by what it said and made."""
    if outcome.exit == 2:
        return "error, names the row" if re.search(r":\d+: ", outcome.said) else "error"
    if trap.expected.finds is not None:
        wanted = {code: rows for code, rows in outcome.finds.items() if code in trap.expected.finds}
        return "error, names the row" if wanted else "silent"
    return "right" if outcome.reads == trap.expected.reads else "silent"


def _serious(trap: Trap) -> bool:
    levels = {RULES.get(_name(code)).level for code in trap.expected.finds or ()}
    return trap.expected.refuses is not None or "error" in levels


def _name(code: str) -> str:
    return next(name for name in RULES.names() if RULES.get(name).code == code)


def _rows(
    chosen: Sequence[Trap], ours: Sequence[Outcome], peers: dict[str, list[Verdict]]
) -> list[str]:
    head = ["trap", "ours: prefdata ...", "ours", "columns mapped", *peers]
    lines = [_cells(head), "|" + " --- |" * len(head)]
    for number, (trap, outcome) in enumerate(zip(chosen, ours, strict=True)):
        verdicts = [verdicts[number] for verdicts in peers.values()]
        lines.append(
            _cells(
                [
                    f"**{trap.name}**: {trap.wrong}",
                    f"`{trap.command}`",
                    _own_cell(trap, outcome),
                    _mapping(trap),
                    *(f"**{verdict.kind}**: {verdict.what}" for verdict in verdicts),
                ]
            )
        )
    return lines


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _own_cell(trap: Trap, outcome: Outcome) -> str:
    if outcome.exit == 2:
        said = outcome.said.strip().splitlines()
        return "exit 2: " + " ".join(line.replace("|", "\\|") for line in said)
    if trap.expected.finds is not None:
        return f"exit {outcome.exit}: " + ", ".join(
            f"{code} {_name(code)} {_places(outcome.finds[code])}"
            for code in trap.expected.finds
            if code in outcome.finds
        )
    names = ("tied", "unpaired", "quarantined", "skipped")
    aside = [f"{outcome.counts[name]} {name}" for name in names if outcome.counts.get(name)]
    read = f"{len(outcome.reads)} pair{'' if len(outcome.reads) == 1 else 's'} read right"
    return ", ".join([read, *aside])


def _places(rows: Sequence[int | None]) -> str:
    named = [str(row) for row in rows if row is not None]
    return f"at row {', '.join(named)}" if named else "of the set"


def _mapping(trap: Trap) -> str:
    return f"`{json.dumps(trap.trl)}`" if trap.trl else ""


def _absolute(name: str) -> Path:
    return Path(name).absolute()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=_absolute, metavar="FILE")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
