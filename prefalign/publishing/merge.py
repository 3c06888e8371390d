"""Adapters made part of the model that they were trained on: one model that needs no PEFT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import ValidationError

from prefalign.config import Model
from prefalign.models.adapters import ADAPTER_FILE, base_under
from prefalign.publishing.card import card
from prefalign.records.run import MODEL_DIR, RUN_FILE, RunRecord, read_run
from prefalign.survival.checkpoints import newest_checkpoint
from prefdata.errors import InputError
from prefdata.io.write import atomic_directory

if TYPE_CHECKING:
    import torch

Stored: TypeAlias = Literal["base", "fp32", "bf16"]

_PROBE = 32  # tokens on which the merged model is held against the adapters


@dataclass(frozen=True)
class Adapter:
    """Adapters, and what they belong to.

    Attributes:
        directory: with `adapter_config.json`.
        base: the model block that they are loaded with.
        record: of the run that trained them; None where it is unknown or has not come to its end.
    """

    directory: Path
    base: Model
    record: RunRecord | None

    @property
    def base_name(self) -> str:
        """The directory or hub name of the model that they belong to."""
        return base_under(self.base.name) or self.base.name


def merge(source: Path, output: Path, *, stored: Stored = "base") -> float:
    """Writes the adapters' base model with the adapters in it, its tokenizer and its settings.

    The sums are taken in fp32, whatever the weights are stored in. Adapters that were trained on 4-bit
    weights go into those that the 4-bit ones were made from.

    Args:
        source: a finished run that trained adapters, or a directory with adapters.
        output: a new directory.
        stored: what weights are rounded to; base is what those of the base model are stored in.

    Returns:
        The largest difference that merging and rounding make to a log-prob, nats, on a few tokens; that of
        4 bits, on which the adapters were trained, is part of it.

    Raises:
        InputError: there are no adapters, the base model is not the one they were trained on or cannot
            be loaded, or the output exists or cannot be written.
    """
    adapter = find_adapter(source)
    with atomic_directory(output) as folder:
        model = _load_base(adapter)
        said = _said_in_4_bits(adapter) if adapter.base.quantization else None
        difference, merged = _merged(model, adapter.directory, _dtype(adapter.base, stored), said)
        _save(merged, adapter, folder)
    return difference


def find_adapter(source: Path) -> Adapter:
    """Returns the adapters of a run or in a directory.

    Raises:
        InputError: there are none.
    """
    directory = source if (source / ADAPTER_FILE).exists() else source / MODEL_DIR
    record = _record(source) or _record(source.parent)
    if record is not None and not record.trained_adapters:
        raise InputError(
            f"{source}: all weights were trained, so there are no adapters to merge",
            hint="the trained model is in the run's directory model",
        )
    if not (directory / ADAPTER_FILE).exists():
        raise _no_adapters(source)
    if record is not None:
        return Adapter(directory, Model(**record.config["model"]), record)
    return Adapter(directory, Model(name=str(directory)), None)


def _no_adapters(source: Path) -> InputError:
    if not source.exists():
        return InputError(f"{source}: no such directory")
    newest = newest_checkpoint(source)
    if newest is not None:
        return InputError(
            f"{source}: the run has not come to its end",
            hint=f"its newest checkpoint can be merged: {newest}",
        )
    return InputError(
        f"{source}: holds no {RUN_FILE} and no {ADAPTER_FILE}",
        hint="give the output.dir of a run with model.lora, or a directory with adapters",
    )


def _record(directory: Path) -> RunRecord | None:
    try:
        return read_run(directory)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise InputError(
            f"{directory / RUN_FILE}: cannot be read: {str(error).partition(chr(10))[0]}",
            hint="merge with the version that trained it",
        ) from error


def _load_base(adapter: Adapter) -> Any:
    """Returns the base model in fp32.

    Raises:
        InputError: it cannot be loaded, or its weights are not those that the run started from.
    """
    from prefalign.models.loading import load_base
    from prefalign.models.weights import weights_digest

    record = adapter.record
    if adapter.base.quantization:  # whose digest is that of 4-bit weights, see `_said_in_4_bits`
        return load_base(adapter.base.model_copy(update={"quantization": None}), "fp32")
    model: Any = load_base(adapter.base, record.precision if record else "fp32")
    digest = record and (record.model.base_digest or record.model.digest)
    if digest and weights_digest(model) != digest:
        raise _changed(adapter, digest)
    return model.float()


def _said_in_4_bits(adapter: Adapter) -> torch.Tensor:
    """Returns the log-probs of the adapters on the 4-bit weights that they were trained on.

    Raises:
        InputError: those weights are others by now. Devices round differently, so this is known only on
            one of the kind that the adapters were trained on.
        MissingExtra: bitsandbytes is not installed.
    """
    import torch

    from prefalign.models.loading import best_device, load_trained
    from prefalign.models.weights import weights_digest

    record = adapter.record
    trained = load_trained(adapter.directory, adapter.base, record.precision if record else "fp32")
    digest = record and (record.model.base_digest or record.model.digest)
    on_same_kind = record and (record.cost.device == "cpu") == (best_device().type == "cpu")
    if digest and on_same_kind and weights_digest(trained, adapters=False) != digest:
        raise _changed(adapter, digest)
    with torch.no_grad():
        return _log_probs(trained.eval()).float().cpu()


def _changed(adapter: Adapter, digest: str) -> InputError:
    return InputError(
        f"{adapter.base_name}: its weights have changed since the adapters were trained on them",
        hint=f"merge into the weights with the digest {digest} in {RUN_FILE}",
    )


def _dtype(base: Model, stored: Stored) -> torch.dtype:
    """Returns what to store weights in."""
    import torch
    from transformers import AutoConfig

    from prefalign.models.loading import locate

    if stored != "base":
        return torch.bfloat16 if stored == "bf16" else torch.float32
    source, options = locate(base_under(base.name) or base.name)
    options.pop("quantization_config", None)
    config = AutoConfig.from_pretrained(source, trust_remote_code=base.trust_remote_code, **options)
    return config.dtype or torch.float32


def _merged(
    model: Any, directory: Path, dtype: torch.dtype, said: torch.Tensor | None
) -> tuple[float, Any]:
    """Returns by how much log-probs differ at most, and `model` with the adapters in it.

    Args:
        model: the base model.
        directory: of the adapters.
        dtype: that weights are rounded to.
        said: log-probs to compare with; None for those of the adapters on `model`.
    """
    import torch
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(model, str(directory)).eval()
    with torch.no_grad():
        want = _log_probs(adapted) if said is None else said
        # rounded here and back, so that what is measured is what is written
        merged = adapted.merge_and_unload(safe_merge=True).to(dtype).float()
        difference = (_log_probs(merged) - want).abs().max()
    return float(difference), merged.to(dtype)


def _log_probs(model: Any) -> torch.Tensor:
    """Returns (tokens, vocabulary) log-probs after each of a few tokens."""
    import torch

    tokens = torch.arange(_PROBE, device=model.device)[None] % model.config.vocab_size
    log_probs: torch.Tensor = model(input_ids=tokens).logits[0].log_softmax(dim=-1)
    return log_probs


def _save(merged: Any, adapter: Adapter, folder: Path) -> None:
    """Writes the model as safetensors, its generation settings, tokenizer, chat template and card."""
    from safetensors import SafetensorError

    from prefalign.models.tokenizer import tokenizer_of

    try:
        merged.save_pretrained(folder)
    except SafetensorError as error:  # hides the number of the system's error in its text
        raise OSError(str(error)) from error
    own = adapter.base.model_copy(update={"name": str(adapter.directory)})
    tokenizer_of(own).save_pretrained(folder)
    if adapter.record is not None:
        (folder / "README.md").write_text(card(adapter.record, merged=True), encoding="utf-8")
