"""One run file, two places: model and pairs by path, and by their names on a hub."""

import shutil
from pathlib import Path

import pytest

from tests.prefalign.hub_mirror import Mirror, serving
from tests.prefalign.workplace import TRAIN, Workplace

LAUNCHED = {"ACCELERATE_DYNAMO_BACKEND": "no", "ACCELERATE_USE_CPU": "true"}
"""What `accelerate launch --cpu` sets: the command is the worker itself."""

FROM_HUB = ("model.name=some/model", "data.train=some/pairs@train", "data.test=some/pairs@test")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_names_on_a_hub_train_what_paths_do(
    workplace: Workplace, tiny_model: Path, tmp_path: Path
) -> None:
    mirror = Mirror(tmp_path / "hub")
    shutil.copytree(tiny_model, mirror.repository("models", "some/model"), dirs_exist_ok=True)
    for name in ("train", "test"):
        shutil.copy(tmp_path / f"{name}.parquet", mirror.repository("datasets", "some/pairs"))
    by_path = workplace.run(*TRAIN, "run.yaml", **LAUNCHED)
    assert by_path.returncode == 0, by_path.stderr
    settings = [
        part for setting in (*FROM_HUB, "output.dir=hub-run") for part in ("--set", setting)
    ]
    with serving(mirror) as address:
        hub = {
            "HF_ENDPOINT": address,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(tmp_path / "home"),
            "NO_PROXY": "127.0.0.1",
            "PREFALIGN_CACHE": str(tmp_path / "another cache"),
        }
        by_name = workplace.run(*TRAIN, "run.yaml", *settings, **hub)
        unknown = workplace.run(
            *TRAIN, "run.yaml", "--set", "model.name=some/modle", "--set", "output.dir=third", **hub
        )
    assert by_name.returncode == 0, by_name.stderr
    assert any(path.endswith("/model.safetensors") for path in mirror.asked)
    assert any(path.startswith("/datasets/some/pairs/resolve/") for path in mirror.asked)
    assert len(workplace.losses("one")) == 5
    assert workplace.losses("hub-run") == workplace.losses("one")
    assert unknown.returncode == 2
    assert "some/modle: no such directory, and no such model on the hub" in unknown.stderr
