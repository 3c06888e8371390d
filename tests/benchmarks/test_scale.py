"""The examples for Ray, Daft and Spark run, and split as prefdata does alone; so do all kinds of work."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scale import alone, spread, write_pairs
from benchmarks.scale_engines import ENGINES, missing
from benchmarks.scale_examples import examples, run_example


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if why := missing(name):
        pytest.skip(why)
    return name


@pytest.fixture(scope="module")
def pairs(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(200, tmp_path_factory.mktemp("scale"))


def test_there_is_an_example_for_each_engine() -> None:
    assert examples().keys() == ENGINES.keys()
    assert all(code.count("\n") < 25 for code in examples().values())


@pytest.mark.slow
def test_the_example_splits_as_prefdata_does(engine: str, pairs: Path) -> None:
    run_example(examples()[engine], pairs)


@pytest.mark.slow
def test_each_kind_gives_the_same_result(engine: str, pairs: Path) -> None:
    seconds, results = alone(pairs)
    assert all(result.height for result in results.values())
    assert spread(engine, pairs, results).keys() == seconds.keys()
