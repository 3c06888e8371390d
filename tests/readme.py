"""README.md's outputs and tables, made by running what it shows.

`python -m tests.readme` (or `make docs`) rewrites them, `python -m tests.readme --tables` only the
tables, at once; a test fails when they had drifted.
"""

import json
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from prefdata.checks import RULES, Rule
from prefdata.exporters import EXPORTERS
from prefdata.formats import LAYOUTS, Layout
from tests.command import run_program

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FAMILIES = ROOT / "tests/prefalign/engine/families.json"


def rendered(text: str) -> str:
    """Returns README's text with every console block and generated table as of now."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "prefalign/demo/votes.json.gz", folder)
        text = re.sub(
            r"(?s)```console\n(.*?)```\n",
            lambda block: f"```console\n{_console(block[1], folder)}```\n",
            text,
        )
    return with_tables(text)


def with_tables(text: str) -> str:
    """Returns README's text with every generated table as of now."""
    tables = {"formats": formats_table(), "rules": rules_table(), "families": families_table()}
    for name, table in tables.items():
        between = rf"(?s)(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->)"
        text = re.sub(between, lambda m, table=table: m[1] + table + m[2], text)
    return text


def _console(block: str, folder: Path) -> str:
    """Returns the commands of a block, each with what it prints when run in order in `folder`."""
    out = []
    for line in block.splitlines():
        if not line.startswith("$ "):
            continue
        program, *args = shlex.split(line.removeprefix("$ "))
        ran = run_program(program, *args, cwd=folder)
        assert ran.returncode in (0, 1), f"{line}\n{ran.stderr}"
        out += [line, *ran.stdout.rstrip("\n").splitlines()]
    return "\n".join(out) + "\n"


def formats_table() -> str:
    """Returns the table of layouts: what each is, where one finds it, whether it is read or written."""
    rows = [
        f"| `{layout.name}` | {_cell(layout.summary)} | {_cell(layout.source)} | {_use(layout)} |"
        for layout in LAYOUTS
    ]
    head = ["| name | what it is | example source | use |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"


def _use(layout: Layout) -> str:
    if not layout.holds_pairs:
        return "refused, with the reason"
    writers = [f"`{each.name}`" for each in EXPORTERS if each.reads_back == layout.name]
    read = "read if forced" if layout.evaluation else "read"
    return f"{read}; written by {', '.join(writers)}" if writers else read


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def rules_table() -> str:
    """Returns the table of rules: level, kind and what it takes to run, fix, and what each finds."""
    rows = [
        f"| {rule.code} | `{rule.name}` | {rule.level} | {_kind(rule)} | {_fix(rule)} | {_cell(rule.summary)} |"
        for rule in sorted(RULES, key=lambda rule: rule.code)
    ]
    head = [
        "| code | name | level | kind | fix | what it finds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


_OPTIONS = {
    "against": "`--against`",
    "benchmarks": "`--benchmark`",
    "tokens": "`--tokenizer`",
    "scores": "`--scores`",
}


def _kind(rule: Rule) -> str:
    option = _OPTIONS.get(rule.needs or "")
    return f"{rule.kind}, with {option}" if option else rule.kind


_PATHS = {
    "shared": "prompts and completions once, nothing padded",
    "packed": "nothing padded",
    "padded": "padded rows",
    "refused": "no batch of theirs is exact",
}


def families_table() -> str:
    """Returns the table of model families by how their pairs are computed."""
    known: dict[str, dict[str, str]] = json.loads(FAMILIES.read_text(encoding="utf-8"))["families"]
    rows = []
    for path, meaning in _PATHS.items():
        names = [f"`{name}`" for name, found in known.items() if found["path"] == path]
        rows.append(f"| {path}: {meaning} | {len(names)} | {', '.join(names)} |")
    return "\n".join(["| path | families | which |", "| --- | --- | --- |", *rows]) + "\n"


def _fix(rule: Rule) -> str:
    return f"{rule.fix.action} ({rule.fix.safety})" if rule.fix else ""


if __name__ == "__main__":
    write = with_tables if "--tables" in sys.argv else rendered
    README.write_text(write(README.read_text(encoding="utf-8")), encoding="utf-8")
