"""Ways to divide work that nobody has tried, and settings that would take the run file's place, are refused."""

from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from prefalign.sharding import refuse_untested
from prefalign.sharding.zero import refuse_settings
from prefdata.errors import ConfigError, PrefError


@pytest.mark.parametrize(
    ("variables", "engine", "reason"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "prefalign", "FSDP 1 was asked for; FSDP2 replaces it"),
        ({"ACCELERATE_USE_FSDP": "1", "FSDP_VERSION": "2"}, "trl", "engine trl has never been tested"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "trl", "engine trl has never been tested with --use_dee"),
        ({"ACCELERATE_USE_PARALLELISM_CONFIG": "true"}, "prefalign", "context parallelism has never"),
    ],
)  # fmt: skip
def test_other_ways_to_divide_work_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], engine: str, reason: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PrefError, match=reason) as caught:
        refuse_untested(engine)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({"gradient_clipping": 1.0, "gradient_accumulation_steps": "auto", "fp16": {"enabled": "auto"}}, []),
        (
            {"gradient_clipping": 0.5, "optimizer": {"type": "AdamW"}, "scheduler": {"type": "WarmupLR"}},
            ["gradient_clipping: 0.5; optim.max_grad_norm says it", "optimizer: optim", "scheduler: optim"],
        ),
        (
            {"gradient_accumulation_steps": 4, "fp16": {"enabled": True}},
            ["gradient_accumulation_steps: 4; a step is a whole global batch", "fp16: hardware.precision"],
        ),
    ],
)  # fmt: skip
def test_settings_of_deepspeed_leave_the_run_file_its_own(
    tmp_path: Path, settings: dict[str, Any], problems: list[str]
) -> None:
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, max_grad_norm=1.0)
    if not problems:
        refuse_settings(settings, arguments)
        return
    with pytest.raises(ConfigError) as caught:
        refuse_settings(settings, arguments)
    assert len(caught.value.problems) == len(problems)
    for problem in problems:
        assert problem in str(caught.value)
