"""The model card: what it says of lineage and licences, on and off the hub."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from prefalign.config import RunConfig
from prefalign.progress import Silence
from prefalign.publishing.card import card
from prefalign.publishing.licence import stated_licence
from prefalign.records.run import RunRecord
from prefalign.run import train
from tests.prefalign.toys import write_toy_pairs


@pytest.fixture
def record(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """One step of LoRA."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    settings = {
        "data": {"train": str(write_toy_pairs(tmp_path / "train.parquet", 8))},
        "model": {"name": str(tiny_model), "lora": {"r": 4}},
        "method": {"name": "dpo"},
        "optim": {"max_steps": 1},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "output": {"dir": str(tmp_path / "run")},
    }
    return train(RunConfig.model_validate(settings), Silence())


def front(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = yaml.safe_load(text.split("---")[1])
    return fields


def test_lineage_on_the_hub_is_for_machines_to_read(record: RunRecord) -> None:
    own = card(record)
    assert not {"base_model", "datasets"} & front(own).keys()
    assert f"`train.parquet` (sha256 `{record.train.sha256}`)" in own
    assert "base model: not stated; training pairs: not stated" in own
    model = {"name": "someone/base", "licence": "apache-2.0"}
    data = {"source": "someone/pairs:default@train", "sha256": None, "licence": "cc-by-4.0"}
    on_hub = record.model_copy(
        update={
            "model": record.model.model_copy(update=model),
            "train": record.train.model_copy(update=data),
        }
    )
    text = card(on_hub)
    assert front(text)["base_model"] == "someone/base"
    assert front(text)["base_model_relation"] == "adapter"
    assert front(text)["datasets"] == ["someone/pairs"]
    assert "from `someone/pairs:default@train`" in text
    assert "base model: apache-2.0; training pairs: cc-by-4.0" in text
    assert front(card(on_hub, merged=True))["base_model_relation"] == "finetune"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n# Model\n", "apache-2.0"),
        ("---\nlicense: other\nlicense_name: llama3.1\n---\n", "llama3.1"),
        ("---\ntags: [x]\n---\n", None),
        ("# no front matter\n", None),
        ("---\nlicense: [\n---\n", None),
    ],
)
def test_the_licence_is_the_one_the_base_s_card_names(
    tmp_path: Path, text: str, licence: str | None
) -> None:
    assert stated_licence(str(tmp_path)) is None
    (tmp_path / "README.md").write_text(text)
    assert stated_licence(str(tmp_path)) == licence
    (tmp_path / "model.gguf").touch()
    assert stated_licence(str(tmp_path / "model.gguf")) == licence
    assert stated_licence("nobody/nothing-of-that-name") is None
