"""Commented run files to start from; each is a YAML file beside this module."""

from __future__ import annotations

from pathlib import Path

from prefdata.errors import PrefError
from prefdata.registry import did_you_mean

_DIRECTORY = Path(__file__).parent


def recipes() -> dict[str, str]:
    """Returns recipe name -> what it is for, which is the first line of its file."""
    files = sorted(_DIRECTORY.glob("*.yaml"))
    return {file.stem: file.read_text(encoding="utf-8").partition("\n")[0][2:] for file in files}


def recipe(name: str) -> str:
    """Returns the text of a recipe.

    Raises:
        PrefError: there is none of that name; the hint names the closest one.
    """
    known = list(recipes())
    if name not in known:
        hint = did_you_mean(name, known) or f"recipes: {', '.join(known)}"
        raise PrefError(f"there is no recipe '{name}'", hint=hint)
    return (_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8")
