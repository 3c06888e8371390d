"""A model by what a person calls it: a run, adapters, a directory with weights, or a hub name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefalign.config import Data, Lora, Model
from prefalign.models.adapters import base_under
from prefalign.records.run import MODEL_DIR, RUN_FILE, read_run
from prefalign.survival.checkpoints import newest_checkpoint
from prefdata.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from prefalign.models.loading import Precision


@dataclass(frozen=True)
class NamedModel:
    """A model that can be loaded, and the one that it was trained from.

    Attributes:
        name: what it was called.
        block: the model itself; of one that a run trained, what the run started from.
        trained: where that run left its weights or adapters.
        start: the model that it was trained from, if that is known.
        data: of the run, if there was one.
    """

    name: str
    block: Model
    trained: Path | None = None
    start: Model | None = None
    data: Data | None = None

    @property
    def weights(self) -> str:
        """Returns what is equal for equal weights."""
        return f"{self.block.model_dump_json()} {self.trained}"

    @property
    def untouched(self) -> NamedModel | None:
        """Returns the model that it was trained from, if that is known."""
        return NamedModel(self.start.name, self.start) if self.start else None

    def load(self, precision: Precision) -> Any:
        """Returns the model, on the CPU.

        Raises:
            InputError: there is none, or it is no causal language model.
        """
        from prefalign.models.loading import load_model, load_trained

        if self.trained is None:
            return load_model(self.block, precision)
        return load_trained(self.trained, self.block, precision)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Returns the tokenizer that it is asked with.

        Raises:
            InputError: it cannot be loaded, or has no chat template.
        """
        from prefalign.models.tokenizer import tokenizer_of

        return tokenizer_of(self.block)


def find_model(name: str, *, trust_remote_code: bool = False) -> NamedModel:
    """Returns the model of that name; its weights are looked at when it is loaded.

    Args:
        name: a run, one of its checkpoints, adapters, a directory with weights, a .gguf file or a hub name.
        trust_remote_code: run Python code that comes with the model.

    Raises:
        InputError: it is a run that has not come to its end, or adapters of a kind that is not known.
    """
    path = Path(name).expanduser()
    if (path / RUN_FILE).exists():
        return _of_run(name, path, path / MODEL_DIR)
    if path.is_dir() and (path.parent / RUN_FILE).exists():
        return _of_run(name, path.parent, path)
    newest = newest_checkpoint(path)
    if newest is not None:
        raise InputError(
            f"{path}: the run has not come to its end", hint=f"its newest checkpoint: {newest}"
        )
    block = Model(name=name, trust_remote_code=trust_remote_code)
    base = base_under(name)
    if base is None:
        return NamedModel(name, block)
    # stored as the base of adapters is, so that rounding is no difference between the two
    start = Model(name=base, lora=Lora(), trust_remote_code=trust_remote_code)
    return NamedModel(name, block, start=start)


def _of_run(name: str, run: Path, directory: Path) -> NamedModel:
    config = read_run(run).config
    block = Model(**config["model"])
    return NamedModel(name, block, directory, block, Data(**config["data"]))
