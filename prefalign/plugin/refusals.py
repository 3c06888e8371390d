"""Which trainers packed rows cannot serve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefalign.plugin.collator import PackingCollator
from prefdata.errors import ConfigError, PrefError

_TRL = "1.16."


def refuse(trainer: Any) -> None:
    """Raises a PrefError for a trainer that is to stay as it is; see `accelerate_preferences`."""
    import trl

    if not isinstance(trainer, trl.DPOTrainer):
        kind = f"{type(trainer).__module__}.{type(trainer).__qualname__}"
        raise PrefError(
            f"accelerate_preferences takes a trl.DPOTrainer, and this is a {kind}",
            hint="ORPO runs on the engine with method: {name: orpo} in a run file",
        )
    if not trl.__version__.startswith(_TRL):
        raise PrefError(
            f"accelerate_preferences knows TRL {_TRL}x, and this is {trl.__version__}",
            hint=f"pip install 'trl=={_TRL}*'",
        )
    if problems := [*_settings(trainer), *_parts(trainer)]:
        raise ConfigError(
            problems,
            source="accelerate_preferences cannot serve this trainer, which stays as it was",
            hint="change these, or train without the call",
        )


def _settings(trainer: Any) -> Iterator[str]:
    """Yields what stands in the trainer's `args`."""
    args, accelerator = trainer.args, trainer.accelerator
    if args.use_liger_kernel:
        yield "use_liger_kernel=True: Liger changes the model after it was tested"
    if args.torch_compile:
        yield "torch_compile=True: every row has a length of its own, and each would be compiled"
    if trainer.aux_loss_enabled:
        yield (
            f"router_aux_loss_coef={trainer.router_aux_loss_coef}: the balance of experts would "
            "count a shared prompt once; 0 switches it off"
        )
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
        yield "DeepSpeed and FSDP: their models cannot be tested before they are divided"
    if accelerator.parallelism_config is not None:
        yield "parallelism_config: tensor and context parallelism divide sequences and heads"
    if accelerator.dispatch_batches or accelerator.split_batches:
        yield "accelerator_config: dispatch_batches and split_batches cut batches by rows"


def _parts(trainer: Any) -> Iterator[str]:
    """Yields what the trainer was made of."""
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    if trainer._is_vlm:
        yield "processing_class is a processor: vision models place tokens of images"
    elif type(trainer.data_collator) not in (DataCollatorForPreference, PackingCollator):
        yield f"data_collator is a {type(trainer.data_collator).__name__}, not TRL's own"
    adapter = getattr(trainer.model, "active_peft_config", None)
    if adapter is not None and adapter.is_prompt_learning:
        yield "peft_config is prompt learning: virtual tokens stand before every sequence"
