"""What only a CUDA device can show; `make gpu` runs these and the training benchmark."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch._dynamo.testing import CompileCounterWithBackend
from transformers import LlamaConfig, LlamaForCausalLM

from prefalign.data.dataset import PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.collate import MicroBatch, collate
from prefalign.engine.logps import score_tokens, target_logps
from tests.command import prefalign
from tests.prefalign.engine.rows import HEADS, both_ways
from tests.prefalign.toys import token_table, write_toy_pairs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def losses(
    folder: Path, model: dict[str, Any], method: str, hardware: dict[str, Any]
) -> list[float]:
    """Trains five steps and returns their losses."""
    output = folder / "-".join([method, *map(str, hardware.values())])
    settings = {
        "data": {"train": str(write_toy_pairs(folder / "train.parquet", 40))},
        "model": model,
        "method": {"name": method},
        "optim": {"learning_rate": 1e-3, "warmup_ratio": 0.0},
        "batch": {"global_batch_size": 8, "micro_batch_size": 4},
        "hardware": hardware,
        "output": {"dir": str(output)},
    }
    run_file = folder / "run.yaml"
    run_file.write_text(yaml.safe_dump(settings))
    ran = prefalign("train", run_file, env={"PREFALIGN_CACHE": str(folder / "cache")})
    assert ran.returncode == 0, ran.stderr
    assert json.loads((output / "run.json").read_text())["precision"] == hardware["precision"]
    lines = (output / "metrics.jsonl").read_text().splitlines()
    return [line["loss"] for line in map(json.loads, lines) if line["kind"] == "train"]


@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_a_gpu_loses_what_a_cpu_does(tmp_path: Path, tiny_model: Path, method: str) -> None:
    gpu, cpu = (
        losses(tmp_path, {"name": str(tiny_model)}, method, {"device": device, "precision": "fp32"})
        for device in ("auto", "cpu")
    )
    assert gpu == pytest.approx(cpu, abs=1e-3)


@pytest.mark.parametrize("lora", [None, {"r": 4}])
def test_bf16_starts_at_log_2_and_learns(
    tmp_path: Path, tiny_model: Path, lora: dict[str, int] | None
) -> None:
    model = {"name": str(tiny_model), "lora": lora}
    found = losses(tmp_path, model, "dpo", {"device": "auto", "precision": "bf16"})
    assert found[0] == pytest.approx(math.log(2), abs=0.02)
    assert all(map(math.isfinite, found))
    assert found[-1] < found[0]


def test_4_bits_checkpointing_and_offloading_train_together(
    tmp_path: Path, tiny_model: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    model = {"name": str(tiny_model), "lora": {"r": 4}, "quantization": "nf4"}
    bf16 = {"device": "auto", "precision": "bf16"}
    plain = losses(tmp_path, model, "dpo", bf16)
    assert plain[0] == pytest.approx(math.log(2), abs=0.02)
    assert plain[-1] < plain[0]
    spared: dict[str, Any] = {"gradient_checkpointing": True, "activation_offloading": True}
    found = losses(tmp_path, model, "orpo", bf16)
    again = losses(tmp_path, model, "orpo", bf16 | spared)
    assert again == pytest.approx(found, abs=0.02)


@pytest.mark.parametrize("heads", HEADS, ids=str)
@pytest.mark.parametrize(
    ("dtype", "most"), [(torch.bfloat16, 2e-2), (torch.float16, 3e-3)]
)  # 8 and 11 bits, rounded a few times on either way
def test_varlen_attention_is_each_view_on_its_own(
    heads: dict[str, Any], dtype: torch.dtype, most: float
) -> None:
    of_kernel, by_view = both_ways("cuda", dtype, **heads)
    for mine, its in zip(of_kernel, by_view, strict=True):
        assert (mine.float() - its.float()).norm() <= most * its.float().norm()


def test_one_compiled_layer_serves_rows_of_every_length_on_a_gpu() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=500, hidden_size=256, intermediate_size=512, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config).to("cuda")
    score_tokens(model)
    attend_to_trees(model)
    data = PairDataset(token_table(32, longest=60, choices=20), "all", layout="shared")
    rows = [collate(data, MicroBatch.of(np.arange(at, at + 4))) for at in range(0, 32, 4)]
    rows = [{name: tensor.cuda() for name, tensor in row.items()} for row in rows]

    def pass_over(row: Any) -> list[torch.Tensor]:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            logps = target_logps(model, row)
        logps.sum().backward()
        gradient = torch.cat([weight.grad.flatten() for weight in model.parameters()])
        model.zero_grad()
        return [logps.detach(), gradient]

    with torch.profiler.profile() as profiler:
        plain = [pass_over(row) for row in rows]
    called = {event.key for event in profiler.key_averages()}
    assert any("varlen" in name for name in called)  # weights in fp32 do not keep the kernel away
    counter = CompileCounterWithBackend("inductor")
    for layer in model.model.layers:
        layer.compile(backend=counter, dynamic=True)
    graphs = []
    for row, (logps, gradient) in zip(rows, plain, strict=True):
        compiled_logps, compiled_gradient = pass_over(row)
        # fused kernels round to bf16 less often than the ones they replace
        assert (compiled_logps - logps).norm() <= 1e-2 * logps.norm()
        assert (compiled_gradient - gradient).norm() <= 5e-2 * gradient.norm()
        graphs.append(counter.frame_count)
    assert graphs[-1] == graphs[1] > 0
