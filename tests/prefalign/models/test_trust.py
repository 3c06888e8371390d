"""Python code that comes with a model runs when the run file asks for it, and never before."""

import json
import shutil
from pathlib import Path

import pytest

from prefalign.config import Model
from prefalign.models.loading import load_model
from prefalign.plan.shape import read_shape
from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer

CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM

Path({marker!r}).touch()

class OwnConfig(LlamaConfig):
    model_type = "own"

class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def own(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose architecture is Python code in its directory, which leaves a file when it runs."""
    monkeypatch.setattr(
        "transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules")
    )
    directory = tmp_path / "own_model"
    shutil.copytree(tiny_model, directory)
    (directory / "own.py").write_text(CODE.format(marker=str(tmp_path / "ran")))
    settings = json.loads((directory / "config.json").read_text())
    classes = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    settings |= {"model_type": "own", "auto_map": classes, "architectures": ["OwnModel"]}
    (directory / "config.json").write_text(json.dumps(settings))
    return directory


def test_code_of_a_model_runs_only_if_asked_for(own: Path, tmp_path: Path) -> None:
    for load in (lambda model: load_model(model, "fp32"), read_shape):
        with pytest.raises(InputError) as caught:
            load(Model(name=str(own)))
        assert "model.trust_remote_code: true" in str(caught.value.hint)
    tokenizer = own / "tokenizer_config.json"
    settings = json.loads(tokenizer.read_text()) | {"tokenizer_class": "OwnTokenizer"}
    tokenizer.write_text(
        json.dumps(settings | {"auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}})
    )
    with pytest.raises(InputError) as caught:
        load_tokenizer(own)
    assert "model.trust_remote_code: true" in str(caught.value.hint)
    assert not (tmp_path / "ran").exists()
    trusted = Model(name=str(own), trust_remote_code=True)
    assert type(load_model(trusted, "fp32")).__name__ == "OwnModel"
    assert (tmp_path / "ran").exists()
