"""Commented run files to start from; each is a YAML file beside this module."""

from __future__ import annotations

from pathlib import Path

from prefdata.shelf import Shelf

_SHELF = Shelf(Path(__file__).parent, "recipe")


def recipes() -> dict[str, str]:
    """Returns recipe name -> what it is for, which is the first line of its file."""
    return _SHELF.purposes()


def recipe(name: str) -> str:
    """Returns the text of a recipe.

    Raises:
        PrefError: there is none of that name; the hint names the closest one.
    """
    return _SHELF.text(name)
