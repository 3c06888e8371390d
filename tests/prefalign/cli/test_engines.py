"""`prefalign engines`: which path a model gets, said before a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import MambaConfig, MambaForCausalLM

from tests.command import prefalign


def test_a_llama_shares_prompts(tiny_model: Path) -> None:
    ran = prefalign("engines", tiny_model, "--precision", "fp32", "--device", "cpu")
    assert ran.returncode == 0, ran.stderr
    first, second, third, _ = ran.stdout.splitlines()
    assert "parameters, fp32 on cpu" in first
    assert second.startswith("shared: ")
    assert third.startswith("  shared  off by ")


def test_a_state_space_model_falls_back_and_says_why(tmp_path: Path) -> None:
    sizes = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}
    MambaForCausalLM(MambaConfig(**sizes)).save_pretrained(tmp_path)
    ran = prefalign("engines", tmp_path, "--precision", "fp32", "--format", "json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["architecture"] == "MambaForCausalLM"
    assert found["layout"] == "padded"
    reasons = {trial["layout"]: trial["reason"] for trial in found["trials"]}
    assert reasons["shared"]
    assert reasons["packed"]
    assert reasons["padded"] == ""


@pytest.mark.parametrize("name", ["none/such-model", "."])
def test_what_is_no_model(name: str, tmp_path: Path) -> None:
    ran = prefalign("engines", name, cwd=tmp_path)
    assert ran.returncode == 2
    assert "hint: " in ran.stderr
