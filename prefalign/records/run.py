"""What a run leaves behind to be read by programs: `run.json`, `metrics.jsonl`, `pairs*.parquet`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prefalign.metrics import PairMetrics
from prefdata import __version__
from prefdata.io.write import atomic

if TYPE_CHECKING:
    import polars as pl

RUN_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
PAIRS_FILE = "pairs.parquet"
"""The held-out pairs at the end: one row for each."""
EVALUATIONS_FILE = "pairs-eval.parquet"
"""The held-out pairs at every evaluation after the first step, see `prefalign.records.pair_log`."""
TRAINED_FILE = "pairs-train.parquet"
"""The training pairs as they passed: one row for each time."""
MODEL_DIR = "model"

_LIBRARIES = ("torch", "transformers", "accelerate", "peft", "trl", "tokenizers")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecord(_Part):
    """The model before training."""

    name: str
    adapters_of: str | None = Field(
        None, description="the base model, where name is that of adapters that were trained further"
    )
    architecture: str
    digest: str = Field(description="of the weights that training started from, xxh3-128")
    base_digest: str | None = Field(None, description="of that base model")
    licence: str | None = Field(None, description="of the base model, as its own card names it")
    parameters: int = Field(description="without adapters")
    trainable_parameters: int


class DataRecord(_Part):
    """One set of pairs as it was used."""

    source: str
    sha256: str | None = Field(description="of the file; null for a hub dataset")
    pairs: int = Field(description="pairs in the token store")
    dropped: dict[str, int] = Field(description="reason -> pairs that did not reach the store")
    tokens: int = Field(description="prompt, twice, and both completions, summed over the pairs")
    token_fingerprint: str
    manifest_sha256: str | None = Field(
        None, description="of X.manifest.json beside the file, which says how the set was made"
    )
    licence: str | None = Field(None, description="as that manifest names it")


class Cost(_Part):
    """What the training took."""

    steps: int
    pairs_seen: int = Field(description="pairs, each epoch counted")
    tokens_seen: int = Field(description="prompt and completion tokens of both sides")
    flops: float = Field(description="estimated: 2 N a token forward, 2 N or 4 N backward")
    reference_flops: float = Field(description="the reference's forward over the training pairs")
    reference_pairs: int = Field(
        0, description="pairs the reference had to score, held-out ones included; others were known"
    )
    seconds: float = Field(description="wall clock of the training loop, evaluation included")
    peak_memory_bytes: int | None = Field(description="of the largest process or device")
    device: str
    processes: int


class RunRecord(_Part):
    """One finished run."""

    version: Literal[1] = 1
    config: dict[str, Any] = Field(description="the resolved run file")
    engine: Literal["prefalign", "trl"]
    precision: Literal["fp32", "bf16"]
    model: ModelRecord
    train: DataRecord
    test: DataRecord | None
    cost: Cost
    train_loss: float = Field(description="of the last logged steps")
    kept_step: int | None = Field(
        None, description="after which the model that was kept by eval.keep was; null: the last"
    )
    metrics: PairMetrics | None = Field(description="held-out pairs, by the model that was kept")
    versions: dict[str, str]

    @property
    def trained_adapters(self) -> bool:
        """Whether adapters were trained, new ones or those that it started from."""
        return self.config["model"]["lora"] is not None or self.model.adapters_of is not None


def versions() -> dict[str, str]:
    """Returns the versions of what decides a run's numbers."""
    return {"prefalign": __version__} | {name: version(name) for name in _LIBRARIES}


class MetricsLog:
    """`metrics.jsonl`: one JSON object a line, appended as training goes.

    Args:
        directory: of the run.
        after: on resume, the step of the checkpoint: later lines are dropped, they come again.
    """

    def __init__(self, directory: Path, *, after: int | None = None) -> None:
        self.path = directory / METRICS_FILE
        lines = [] if after is None else read_metrics(directory)
        kept = [line for line in lines if line["step"] <= after]
        with atomic(self.path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        self._written = {line["kind"]: line["step"] for line in kept}

    def write(self, kind: Literal["train", "eval"], values: Mapping[str, float]) -> None:
        """Appends one line, unless there is one of that kind and step from before an interruption."""
        if values["step"] <= self._written.get(kind, -1):
            return
        self._written[kind] = values["step"]
        with self.path.open("a") as file:
            file.write(json.dumps({"kind": kind, "time": round(time.time(), 3), **values}) + "\n")


def read_metrics(directory: Path) -> list[dict[str, Any]]:
    """Returns the lines of a run's `metrics.jsonl`, none if it has no such file.

    A process that is killed while it writes leaves its last line cut off, which is left out.
    """
    path = directory / METRICS_FILE
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    return [json.loads(line) for line in lines[:-1]]  # what follows the last newline is no line yet


def write_run(directory: Path, record: RunRecord) -> None:
    """Writes `run.json`."""
    with atomic(directory / RUN_FILE) as temporary:
        temporary.write_text(record.model_dump_json(indent=2) + "\n")


def read_run(directory: Path) -> RunRecord:
    """Returns the record of a finished run."""
    return RunRecord.model_validate_json((directory / RUN_FILE).read_text())


def write_pairs(directory: Path, frame: pl.DataFrame) -> None:
    """Writes `pairs.parquet`."""
    with atomic(directory / PAIRS_FILE) as temporary:
        frame.write_parquet(temporary)
