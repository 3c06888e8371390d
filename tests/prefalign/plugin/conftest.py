import gc
from pathlib import Path
from typing import Any

import pytest
from trl import DPOTrainer

from tests.prefalign.plugin.training import Make, trainer_of


@pytest.fixture(scope="session", autouse=True)
def _imports_are_no_garbage() -> None:
    """Each training collects garbage, and would look through all imported modules for it."""
    gc.freeze()


@pytest.fixture
def make(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Builds trainers that differ in nothing but the call under test."""
    monkeypatch.setenv("TQDM_DISABLE", "1")

    def trainer(*, model: Any = str(tiny_model), **settings: Any) -> DPOTrainer:
        return trainer_of(model, str(tmp_path / "out"), **settings)

    return trainer
