"""The examples in scale.md: found, run as a user would, and held to the split that prefdata makes alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

from prefdata import read_pairs
from prefdata.curate.split import split

PAGE = Path(__file__).with_name("scale.md")
SHARES = {"test": 0.1}  # as in the examples

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ENGINE = re.compile(r"^(?:import|from) (ray|daft|pyspark)\b", re.MULTILINE)


def examples() -> dict[str, str]:
    """Returns engine -> code."""
    blocks = _BLOCK.findall(PAGE.read_text())
    return {match[1]: code for code in blocks if (match := _ENGINE.search(code))}


def run_example(code: str, pairs: Path) -> None:
    """Runs code in a folder that holds `pairs.parquet`, and looks at what it leaves in `split`.

    Raises:
        AssertionError: it fails, or the split is another one.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pairs.parquet").symlink_to(pairs.resolve())
        root = str(PAGE.parents[1])
        environment = {**os.environ, "PYTHONPATH": root, "PYSPARK_PYTHON": sys.executable}
        ran = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        found = pl.scan_parquet(folder / "split/**/*.parquet", hive_partitioning=True)
        rows = found.select("part", "id", "row").collect()
    assert sorted(rows.rows()) == sorted(_expected(pairs))


def _expected(pairs: Path) -> list[tuple[object, ...]]:
    parts = split(read_pairs(str(pairs)), SHARES)
    return [
        row for name, part in parts.items() for row in part.select(pl.lit(name), "id", "row").rows()
    ]
