"""Every causal-LM family of transformers: the layout it gets is exact, and is the one we say it gets."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
import transformers

from tests.prefalign.engine.tiny_families import FAMILIES, Found, examine_family

RECORD = Path(__file__).with_name("families.json")
"""Family -> path and reason, written by `python -m benchmarks.families`."""

known = json.loads(RECORD.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Some families warn of slow fall-backs; that they run is what counts here."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)


@pytest.mark.skipif(
    transformers.__version__ != known["transformers"], reason="recorded for another transformers"
)
def test_the_record_names_every_family() -> None:
    assert tuple(known["families"]) == FAMILIES


def test_enough_families_share_prompts() -> None:
    assert [found["path"] for found in known["families"].values()].count("shared") >= 70


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_exact_on_its_path(family: str) -> None:
    found: Found = examine_family(family)
    recorded = known["families"].get(family, {"path": found.path})
    assert found.path == recorded["path"], found
    # fp32 rounding is 1e-7 and 2e-6; attention to one wrong token gives 1e-2
    assert found.logps < 1e-5, found
    assert found.gradient < 1e-4, found
