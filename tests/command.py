"""Runs our programs as a person does: in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path


def run_program(
    program: str,
    *args: str | Path,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs `prefdata` or `prefalign`; a traceback in its output is always a failure."""
    root = str(Path(__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-m", program, *map(str, args)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": root} | (env or {}),
        check=False,
    )
    out, err = ran.stdout.decode(), ran.stderr.decode()
    assert "Traceback" not in out + err, out + err
    return subprocess.CompletedProcess(ran.args, ran.returncode, out, err)


def prefdata(*args: str | Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
    """Runs the `prefdata` program."""
    return run_program("prefdata", *args, **kwargs)  # type: ignore[arg-type]


def prefalign(*args: str | Path, **kwargs: object) -> subprocess.CompletedProcess[str]:
    """Runs the `prefalign` program."""
    return run_program("prefalign", *args, **kwargs)  # type: ignore[arg-type]
