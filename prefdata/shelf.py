"""Commented YAML files that come with the program, found by name."""

from __future__ import annotations

from pathlib import Path

from prefdata.errors import PrefError
from prefdata.registry import did_you_mean


class Shelf:
    """The YAML files of one directory; the first line of each is a comment that says what it is for.

    Args:
        directory: where they are.
        kind: what one of them is called, for messages.
    """

    def __init__(self, directory: Path, kind: str) -> None:
        self.directory = directory
        self.kind = kind

    def purposes(self) -> dict[str, str]:
        """Returns name -> what it is for."""
        files = sorted(self.directory.glob("*.yaml"))
        return {file.stem: _first_line(file).removeprefix("# ") for file in files}

    def text(self, name: str) -> str:
        """Returns the text of a file.

        Raises:
            PrefError: there is none of that name; the hint names the closest one.
        """
        known = list(self.purposes())
        if name not in known:
            hint = did_you_mean(name, known) or f"{self.kind}s: {', '.join(known)}"
            raise PrefError(f"there is no {self.kind} '{name}'", hint=hint)
        return (self.directory / f"{name}.yaml").read_text(encoding="utf-8")


def _first_line(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0]
