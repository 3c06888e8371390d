"""The shipped configs of `accelerate launch`, read by accelerate and by DeepSpeed themselves."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

from prefalign.launchers import launcher, launchers
from prefalign.launchers.options import asked_in


@pytest.fixture(params=launchers())
def config_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.yaml"
    path.write_text(launcher(request.param))
    return path


def arguments(config_file: Path, *more: str) -> Any:
    """What `accelerate launch` makes of the file."""
    line = ["--config_file", str(config_file), *more, "-m", "prefalign", "train", "run.yaml"]
    return _validate_launch_command(launch_command_parser().parse_args(line))[0]


def test_accelerate_knows_every_key(config_file: Path) -> None:
    config = load_config_from_file(str(config_file))
    assert isinstance(config, ClusterConfig)
    for name, value in yaml.safe_load(config_file.read_text()).items():
        read = getattr(config, name)
        assert getattr(read, "value", read) == value, name
    parsed = arguments(config_file)
    for group in ("fsdp_config", "deepspeed_config"):
        for name, value in (getattr(config, group) or {}).items():
            assert getattr(parsed, name) == value, name


def test_our_own_count_of_processes_reads_the_file(config_file: Path) -> None:
    line = ["accelerate", "launch", "--config_file", str(config_file)]
    assert asked_in(line).processes == arguments(config_file).num_processes


def environment(name: str, tmp_path: Path, *more: str) -> dict[str, str]:
    """What workers are told by a launcher."""
    path = tmp_path / f"{name}.yaml"
    path.write_text(launcher(name))
    parsed = arguments(path, *more)
    if parsed.use_deepspeed:
        parsed.deepspeed_fields_from_accelerate_config = ",".join(
            [*yaml.safe_load(path.read_text())["deepspeed_config"], "mixed_precision"]
        )
        told: dict[str, str] = prepare_deepspeed_cmd_env(parsed)[1]
    else:
        told = prepare_multi_gpu_env(parsed)
    return told


def test_ddp_divides_nothing(tmp_path: Path) -> None:
    told = environment("ddp", tmp_path)
    assert told["ACCELERATE_MIXED_PRECISION"] == "no"
    assert "ACCELERATE_USE_FSDP" not in told
    assert "ACCELERATE_USE_DEEPSPEED" not in told
    assert told.get("ACCELERATE_USE_PARALLELISM_CONFIG", "false") == "false"


@pytest.mark.parametrize("name", ["fsdp2", "multi_node"])
def test_fsdp_is_the_second(tmp_path: Path, name: str) -> None:
    told = environment(name, tmp_path, "--main_process_ip", "10.0.0.7", "--machine_rank", "0")
    assert told["ACCELERATE_USE_FSDP"] == "true"
    assert told["FSDP_VERSION"] == "2"
    assert told["FSDP_RESHARD_AFTER_FORWARD"] == "true"
    assert told["ACCELERATE_MIXED_PRECISION"] == "no"
    assert told.get("ACCELERATE_USE_PARALLELISM_CONFIG", "false") == "false"


PARSE = """
import json, os, sys
from accelerate.utils import DeepSpeedPlugin
from deepspeed.runtime.config import DeepSpeedConfig

from prefalign.sharding.zero import sum_in_fp32

plugin = DeepSpeedPlugin()
sum_in_fp32(plugin.deepspeed_config)
plugin.set_mixed_precision("bf16")
plugin.deepspeed_config_process(
    must_match=True, train_batch_size=16, train_micro_batch_size_per_gpu=2, gradient_clipping=1.0,
    gradient_accumulation_steps=1, **{"zero_optimization.reduce_bucket_size": 1e6,
    "zero_optimization.stage3_prefetch_bucket_size": 1e6,
    "zero_optimization.stage3_param_persistence_threshold": 1e4},
)
settings = plugin.deepspeed_config
settings["train_batch_size"] = settings["train_micro_batch_size_per_gpu"]
parsed = DeepSpeedConfig(settings)
print(json.dumps({
    "stage": int(parsed.zero_optimization_stage), "clipping": parsed.gradient_clipping,
    "bf16": parsed.bfloat16_config.enabled, "sums": parsed.grad_accum_dtype,
    "accumulation": parsed.gradient_accumulation_steps,
}))
"""


@pytest.mark.skipif(
    find_spec("deepspeed") is None, reason="needs pip install 'prefdata[deepspeed]'"
)
@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_takes_its_settings(tmp_path: Path, stage: int) -> None:
    told = environment(f"zero{stage}", tmp_path)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PARSE],
        env=os.environ | told | {"DS_ACCELERATOR": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == {
        "stage": stage,
        "clipping": 1.0,
        "bf16": True,
        "sums": "fp32",
        "accumulation": 1,
    }
