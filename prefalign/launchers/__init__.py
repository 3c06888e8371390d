"""Configs for `accelerate launch --config_file`; each is a YAML file beside this module."""

from __future__ import annotations

from pathlib import Path

from prefdata.shelf import Shelf

_SHELF = Shelf(Path(__file__).parent, "launcher")


def launchers() -> dict[str, str]:
    """Returns launcher name -> what it is for, which is the first line of its file."""
    return _SHELF.purposes()


def launcher(name: str) -> str:
    """Returns the text of a launcher's config.

    Raises:
        PrefError: there is none of that name; the hint names the closest one.
    """
    return _SHELF.text(name)
