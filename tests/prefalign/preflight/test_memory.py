"""Sizes told from files alone, held to those that are counted on the model; and what follows from them."""

from pathlib import Path

import pytest

from prefalign.config import Lora, Model, RunConfig
from prefalign.plan.shape import read_shape
from prefalign.preflight.device import Device
from prefalign.preflight.disk import Written, space_remark, written
from prefalign.preflight.memory import memory_remark
from prefalign.preflight.model import read_files
from prefalign.preflight.size import rough_shape
from tests.prefalign.toys import token_table


@pytest.mark.parametrize(
    "lora", [None, Lora(), Lora(r=4, target_modules=["q_proj", "mlp.up_proj"])]
)
def test_files_tell_the_sizes_of_a_model(tiny_model: Path, lora: Lora | None) -> None:
    counted, _ = read_shape(Model(name=str(tiny_model), lora=lora))
    assert rough_shape(read_files(str(tiny_model)), lora) == counted


def run(model: Path, **groups: object) -> RunConfig:
    settings = {
        "data": {"train": "t"},
        "model": {"name": str(model)},
        "method": {"name": "dpo"},
        "batch": {"global_batch_size": 64, "micro_batch_size": 32},
        "hardware": {"precision": "fp32"},
        "output": {"dir": "o"},
    }
    return RunConfig.model_validate(settings | groups)


def remark(config: RunConfig, memory: int) -> str | None:
    table = token_table(64, longest=400, prompts=400)
    files = read_files(config.model.name)
    return memory_remark(config, files, table, Device("gpu", memory, 1))


def test_a_run_that_does_not_fit_hears_of_the_first_change_that_helps(tiny_model: Path) -> None:
    config = run(tiny_model)
    context = 1 << 30  # kept back for CUDA
    assert remark(config, 2 * context) is None
    tight = remark(config, context + 40_000_000) or ""
    assert "the GPU has 1.11 GB; --set batch.micro_batch_size=" in tight
    size = int(tight.partition("batch.micro_batch_size=")[2].split()[0])
    assert size in (16, 8, 4, 2, 1)
    settings = {"global_batch_size": 64, "micro_batch_size": size}
    assert remark(run(tiny_model, batch=settings), context + 40_000_000) is None
    assert "not even adapters" in (remark(config, context) or "")


def test_checkpoints_are_counted_with_the_moments_of_adamw(
    tiny_model: Path, tmp_path: Path
) -> None:
    config = run(tiny_model, output={"dir": str(tmp_path / "run"), "save_every_steps": 4})
    files = read_files(str(tiny_model))
    shape = rough_shape(files, None)
    assert shape is not None
    weights = 4 * files.parameters
    assert written(config, shape, 10) == Written(weights, 3 * weights, 3)
    assert written(config, shape, None).least == 4 * weights
    assert space_remark(config.output, written(config, shape, 10)) is None
    told = space_remark(config.output, Written(10**9, 3 * 10**9, 10**6))
    assert told is not None
    assert "1000000 checkpoints of 3.00 GB" in told
