"""What a comparison of runs holds: everything its table, its JSON and its page show.

The first run is always the untouched model, so every number has its starting point beside it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from prefalign.metrics import Estimate, PairMetrics
from prefalign.records.run import Cost

UNTOUCHED = "untouched"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LossPoint(_Part):
    """The training loss after so many pairs; its scale is that of the run's own method."""

    pairs_seen: int
    loss: float


class HeldOutPoint(_Part):
    """The held-out pairs after so many training pairs."""

    pairs_seen: int
    accuracy_reference: float
    drift_chosen: float = Field(description="nats per token")
    drift_rejected: float = Field(description="nats per token")


class Recipe(_Part):
    """How a run was trained: what may differ between compared runs."""

    method: dict[str, str | float | bool | list[str] | dict[str, float] | None] = Field(
        description="the run file's method group"
    )
    engine: str
    learning_rate: float
    epochs: float = Field(description="passes over the training pairs")
    global_batch_size: int
    lora_rank: int | None = Field(description="null: full fine-tuning")
    precision: str


class Run(_Part):
    """One model on the held-out pairs."""

    name: str
    path: str | None = Field(None, description="run directory; null for the untouched model")
    recipe: Recipe | None = None
    metrics: PairMetrics
    against_untouched: PairMetrics | None = Field(None, description="differences, paired")
    against_best: PairMetrics | None = Field(
        None, description="differences to the trained run with the highest accuracy_reference"
    )
    cost: Cost | None = None
    losses: list[LossPoint] = []
    held_out: list[HeldOutPoint] = []


class HeldOut(_Part):
    """The pairs the runs are compared on."""

    source: str
    sha256: str | None = Field(description="of the file; null for a hub dataset")
    token_fingerprint: str
    pairs: int
    prompts: int | None = Field(
        description="null where the texts are gone: only token ids are left"
    )
    longer_chosen: int = Field(description="pairs whose chosen completion has more tokens")
    longer_rejected: int


class Common(_Part):
    """What all compared runs share, else they would not have been compared."""

    base_model: str
    base_model_digest: str
    train_source: str
    train_sha256: str | None
    train_pairs: int
    max_length: int
    truncation: str
    token_fingerprint: str


class Turn(_Part):
    """One message of a prompt."""

    role: str
    content: str


class Sample(_Part):
    """One held-out prompt, its two reference completions, and what each model writes."""

    id: str
    prompt: list[Turn]
    chosen: str
    rejected: str
    completions: dict[str, str] = Field(description="run name -> greedy completion")
    tokens: dict[str, int] = Field({}, description="run name -> tokens of its completion")


class Contest(_Part):
    """Two models' completions of the same prompts, and how often the first one's is the better."""

    name: str
    against: str
    wins: Estimate = Field(description="share of the prompts; a tie counts one half")
    ties: int = Field(description="prompts on which neither is better")


class Opinion(_Part):
    """What one model thinks of the completions in `samples`."""

    kind: Literal["reward model", "judge"]
    model: str
    prompts: int
    contests: list[Contest] = Field(
        description="every run against the untouched model, then the best run against the others"
    )
    rewards: dict[str, float] | None = Field(
        None, description="run name -> mean reward of its completions; null for a judge"
    )
    first_preferred: float | None = Field(
        None,
        description="share of a judge's questions it answered with the first completion: position bias",
    )
    undecided: int | None = Field(
        None, description="questions a judge answers otherwise when the order is turned; ties"
    )


class Made(_Part):
    """How the comparison was made."""

    command: str
    versions: dict[str, str]
    bootstrap_resamples: int
    seed: int


class Comparison(_Part):
    """Runs side by side on the same tokens."""

    version: Literal[1] = 1
    common: Common
    held_out: HeldOut
    runs: list[Run] = Field(min_length=2, description="the untouched model first")
    remarks: list[str] = Field([], description="differences that are allowed but matter")
    samples: list[Sample] = []
    opinions: list[Opinion] = Field([], description="of a reward model, of a judge")
    made: Made

    @property
    def trained(self) -> list[Run]:
        """Returns the runs without the untouched model."""
        return self.runs[1:]

    @property
    def best(self) -> Run:
        """Returns the trained run with the highest accuracy relative to the reference."""
        return max(self.trained, key=lambda run: run.metrics.accuracy_reference.value)
