"""Which way of computing pairs each causal-LM family of transformers gets, on tiny random models.

    python -m benchmarks.families

Writes benchmarks/families.md, and tests/prefalign/engine/families.json, which tests hold and README's
table is made of. About two minutes on one core.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, get_args

import tests.prefalign.engine.tiny_families as tiny
from tests.prefalign.engine.tiny_families import FAMILIES, Found, examine_family

PAGE = Path(__file__).with_name("families.md")
RECORD = Path(tiny.__file__).with_name("families.json")
_REASON = 90  # characters of a reason that are shown


class Examined(NamedTuple):
    """A family, what was found, and how long that took."""

    family: str
    found: Found
    seconds: float


def examined() -> Iterator[Examined]:
    """Yields every family in the order of names."""
    for number, family in enumerate(FAMILIES, start=1):
        since = time.monotonic()
        found = examine_family(family)
        yield Examined(family, found, time.monotonic() - since)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{number}/{len(FAMILIES)} {family:<32}")


def record(families: list[Examined]) -> str:
    """Returns the JSON that tests and README read."""
    paths = {one.family: {"path": one.found.path, "reason": one.found.reason} for one in families}
    content = {"transformers": version("transformers"), "families": paths}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def page(families: list[Examined]) -> str:
    """Returns the page."""
    counts = Counter(one.found.path for one in families)
    versions = ", ".join(f"{name} {version(name)}" for name in ("transformers", "torch"))
    lines = [
        "# Model families",
        "",
        "Tiny random models of every causal-LM family of transformers, as `prefalign engines` and each",
        "run's own self-test judge them. Differences are relative, to sequences run alone, fp32: of the",
        "sums of log-probs, and of the gradient of all parameters.",
        "",
        f"`python -m benchmarks.families`; {versions}.",
        "",
        *(f"- {path}: {counts[path]}" for path in get_args(tiny.Path)),
        "",
        "| family | path | log-probs | gradient | seconds | why not a faster one |",
        "| --- | --- | --- | --- | --- | --- |",
        *map(_row, families),
    ]
    return "\n".join(lines) + "\n"


def _row(one: Examined) -> str:
    family, found, seconds = one
    runs = found.path not in ("refused", "not built")
    errors = f"{found.logps:.0e} | {found.gradient:.0e}" if runs else "|"
    reason = found.reason[:_REASON].replace("|", "\\|")
    return f"| `{family}` | {found.path} | {errors} | {seconds:.1f} | {reason} |"


def main() -> None:
    """Examines all families and writes both files."""
    warnings.simplefilter("ignore")
    families = list(examined())
    PAGE.write_text(page(families), encoding="utf-8")
    RECORD.write_text(record(families), encoding="utf-8")
    counts = Counter(one.found.path for one in families)
    sys.stdout.write(", ".join(f"{path} {number}" for path, number in counts.items()) + "\n")


if __name__ == "__main__":
    main()
