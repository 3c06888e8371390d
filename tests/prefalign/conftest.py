"""Fixtures of the tests that launch training runs."""

from pathlib import Path

import pytest

from tests.prefalign.workplace import Workplace, write_workplace


@pytest.fixture
def workplace(tmp_path: Path, tiny_model: Path) -> Workplace:
    """Five steps of DPO on CPU processes, in a directory with a cache of its own."""
    return write_workplace(tmp_path, tiny_model)
