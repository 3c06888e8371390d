"""README says what the programs say."""

import re

import pytest

from tests.prefdata.cli.test_program import COMMANDS
from tests.readme import README, rendered, with_tables


def test_outputs_and_tables_are_current() -> None:
    text = README.read_text(encoding="utf-8")
    assert rendered(text) == text, "run: make docs"


def test_tables_are_current() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: python -m tests.readme --tables"


@pytest.mark.parametrize(("program", "command"), COMMANDS)
def test_every_command_is_in_the_readme(program: str, command: str) -> None:
    assert re.search(rf"{program} {command}\b", README.read_text(encoding="utf-8"))
