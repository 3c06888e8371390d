"""What TRL's DPOTrainer does with a trap: its dataset preparation and one training step of a tiny model."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.traps_sides import Observed, Seen, listening, load, messages, seen
from tests.traps.corpus import Trap

_MODULES = (
    "datasets.packaged_modules.csv.csv",
    "datasets.packaged_modules.json.json",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.tokenization_utils_tokenizers",
    "trl.trainer.dpo_trainer",
)


def warm_up() -> None:
    """Imports what every trap needs, so that the processes forked from this one need not."""
    import datasets

    datasets.disable_progress_bars()
    for name in _MODULES:
        importlib.import_module(name)


def observe(
    trap: Trap, folder: Path, prepare: Callable[[Any], Any] = lambda data: data
) -> Observed:
    """Trains on a trap's file in `folder`, which holds the tokenizers and a model, for one step.

    Args:
        trap: which file, and what it is read and trained with.
        folder: where it lies.
        prepare: what another program does to the dataset before it hands it to TRL.
    """
    trainer, rows, error = None, 0, None
    with listening() as heard:
        try:
            data = load(folder / trap.file, trap)
            rows = len(data)
            trainer = _trainer(trap, folder, prepare(data))
            trainer.train()
        except Exception as failure:  # noqa: BLE001 - whatever a user would see
            error = messages(failure)
    if error is not None or trainer is None:
        return Observed(error=error, warned=heard, rows=rows)
    logged = next(entry for entry in trainer.state.log_history if "loss" in entry)
    return Observed(
        warned=heard,
        rows=rows,
        seen=_batch(trainer),
        loss=logged["loss"],
        gradient=logged["grad_norm"],
    )


def _trainer(trap: Trap, folder: Path, data: Any) -> Any:
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    length = {} if trap.max_length is None else {"max_length": trap.max_length}
    config = DPOConfig(
        output_dir=str(folder / "run"),
        max_steps=1,
        per_device_train_batch_size=8,
        learning_rate=1e-3,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        disable_tqdm=True,
        **length,
    )
    other = trap.trl.get("eval")
    return DPOTrainer(
        model=str(folder / "model"),
        args=config,
        train_dataset=data,
        eval_dataset=None if other is None else load(folder / other, trap),
        processing_class=AutoTokenizer.from_pretrained(folder / trap.tokenizer),
    )


def _batch(trainer: Any) -> list[Seen]:
    """Returns the pairs as the collator hands them to the model, in the order of the file."""
    examples = list(trainer.train_dataset)
    batch = trainer.data_collator(examples)
    ids, keep, scored = (
        batch[name].tolist() for name in ("input_ids", "attention_mask", "completion_mask")
    )
    rows = [
        [(i, s) for i, k, s in zip(*row, strict=True) if k]
        for row in zip(ids, keep, scored, strict=True)
    ]
    half = len(examples)
    return [_pair(trainer, rows[n], rows[half + n]) for n in range(half)]


def _pair(trainer: Any, chosen: list[tuple[int, int]], rejected: list[tuple[int, int]]) -> Seen:
    ids = {
        "prompt": [i for i, scored in chosen if not scored],
        "chosen": [i for i, scored in chosen if scored],
        "rejected": [i for i, scored in rejected if scored],
    }
    decode = trainer.processing_class.decode
    return seen({side: decode(tokens) for side, tokens in ids.items()}, ids)


os.environ.setdefault("TQDM_DISABLE", "1")
