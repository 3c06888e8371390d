"""The run file: one pydantic model, every value with a meaning of its own, unknown keys refused.

Loading it needs no torch. `beta` is DPO's temperature and nothing else; ORPO's weight is `lambda_`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from os.path import expanduser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from prefalign.losses import LOSSES, LossParams, loss_of, refused
from prefalign.run_file import KeyPath, override, read_run_file
from prefalign.run_file.problems import sentences
from prefdata.errors import ConfigError

# a path or a hub name; relative paths start at the current directory, as in any command
Place: TypeAlias = Annotated[str, AfterValidator(expanduser)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Group):
    """Which pairs, and how much of each."""

    train: Place = Field(description="canonical pairs: a file or a hub dataset")
    test: Place | None = Field(None, description="held-out pairs, evaluated during training")
    max_length: int = Field(1024, ge=2, description="tokens of prompt + completion")
    truncation: Literal["drop", "keep_start", "keep_end"] = Field(
        "drop", description="what happens to a pair with a longer side; drops are counted"
    )


class Lora(_Group):
    """Low-rank adapters instead of full fine-tuning."""

    r: int = Field(16, ge=1)
    alpha: float = Field(32, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    dora: bool = Field(default=False, description="sizes and directions apart, arXiv:2402.09353")
    target_modules: str | list[str] = "all-linear"


class Model(_Group):
    """The model that starts as both policy and reference."""

    name: Place = Field(description="a local directory or a hub name")
    lora: Lora | None = None
    quantization: Literal["nf4"] | None = Field(
        None, description="what adapters are trained on in 4 bits (QLoRA); all weights cannot be"
    )
    chat_template: Place | None = Field(
        None,
        description="instead of its own: a Jinja file, a model to take it from, chatml or tulu",
    )
    trust_remote_code: bool = False


if TYPE_CHECKING:
    Method: TypeAlias = LossParams
else:  # the settings of every registered loss: a new loss file is a new method
    Method = Annotated[reduce(or_, (loss.params for loss in LOSSES)), Field(discriminator="name")]


class Optim(_Group):
    """Optimiser and schedule (AdamW)."""

    learning_rate: float = Field(5e-6, gt=0)
    scheduler: Literal["linear", "cosine", "constant"] = "cosine"
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    epochs: float = Field(1.0, gt=0)
    max_steps: int | None = Field(None, ge=1, description="optimiser steps; wins over epochs")
    seed: int = 0


class Batch(_Group):
    """Pairs an optimiser step sees, and pairs one process holds at once."""

    global_batch_size: int = Field(16, ge=1, description="pairs per optimiser step, all processes")
    micro_batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        2, description="pairs per forward pass of one process; auto: as many as fit"
    )
    micro_batch_tokens: int | None = Field(
        None,
        ge=1,
        description="instead: tokens per forward pass of one process, shared prompts counted once",
    )

    @property
    def pairs_at_once(self) -> int:
        """`micro_batch_size`; 1 while nobody has found out what `auto` comes to."""
        return 1 if self.micro_batch_size == "auto" else self.micro_batch_size


class Hardware(_Group):
    """Where it runs."""

    num_processes: int | None = Field(None, ge=1, description="None: what the launcher starts")
    device: Literal["auto", "cpu"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the hardware has it"
    )
    gradient_checkpointing: bool = False
    activation_offloading: bool = Field(
        default=False,
        description="on GPUs: activations wait for the backward pass in the host's memory",
    )
    compile: bool = Field(
        default=False, description="compile the model's layers; the first steps take minutes"
    )


class Evaluation(_Group):
    """Held-out evaluation during training."""

    every_steps: int | None = Field(None, ge=1, description="None: at the start and the end")
    micro_batch_size: int = Field(4, ge=1)
    keep: Literal[
        "last", "accuracy_reference", "accuracy_mean", "margin_reference", "nll_chosen"
    ] = Field("last", description="which evaluation's model is the result: the last, or the best")
    patience: int | None = Field(
        None, ge=1, description="evaluations in a row without a better one that end training"
    )


class Output(_Group):
    """Where results go."""

    dir: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        description="a new directory, or one to resume"
    )
    save_every_steps: int | None = Field(
        None,
        ge=1,
        description="a checkpoint to go on from, two stay; None: only when it is stopped",
    )
    log_every_steps: int = Field(1, ge=1)
    report_to: list[str] = Field(
        default_factory=list,
        description="trackio, tensorboard, wandb or another tracker of transformers",
    )
    record_train: bool = Field(
        default=False, description="keep what the policy says about each training pair as it passes"
    )


class RunConfig(_Group):
    """One training run."""

    data: Data
    model: Model
    method: Method
    engine: Literal["prefalign", "trl"] = "prefalign"
    optim: Optim = Optim()
    batch: Batch = Batch()
    hardware: Hardware = Hardware()
    eval: Evaluation = Evaluation()
    output: Output
    trl: dict[str, Any] = Field(
        default_factory=dict, description="engine trl only: fields of TRL's own config"
    )

    @property
    def needs_reference(self) -> bool:
        """Whether reference log-probs of the training pairs are read: by the loss or for the record."""
        return loss_of(self.method).needs_reference or self.output.record_train

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuses settings that cannot both be meant, all of them at once and each under its key."""
        problems = [
            InitErrorDetails(type=refused(reason), loc=path, input=None)
            for path, reason in _contradictions(self)
        ]
        if problems:
            raise ValidationError.from_exception_data("RunConfig", problems)
        return self


def load_run(path: Path | str, overrides: Sequence[str] = ()) -> RunConfig:
    """Returns the run that a YAML file describes.

    Args:
        path: the file.
        overrides: settings as `group.key=value`, the value in YAML; they win over the file.

    Raises:
        InputError: there is no such file.
        ConfigError: it has problems; all of them are in the message, each with its line.
    """
    run_file = read_run_file(Path(path))
    override(run_file, overrides)
    problems = run_file.problems
    try:
        run = RunConfig.model_validate(run_file.values)
        if not problems:
            return run
    except ValidationError as error:
        problems = [*problems, *sentences(error.errors(), RunConfig)]
    raise ConfigError(run_file.report(problems), source=run_file.name)


def _contradictions(run: RunConfig) -> Iterator[tuple[KeyPath, str]]:
    """Yields the key and the sentence of each pair of settings that cannot both be meant."""
    if run.trl and run.engine != "trl":
        yield ("trl",), "only engine: trl reads these settings; set it or remove them"
    if run.model.quantization and run.engine == "trl":
        yield ("model", "quantization"), "engine: trl has never been tested with it"
    if run.hardware.activation_offloading and run.engine == "trl":
        yield (
            ("hardware", "activation_offloading"),
            "engine: trl does not read it; TRL's DPO has its own, trl: {activation_offloading: true}",
        )
    if run.batch.micro_batch_size == "auto" and (
        run.engine == "trl" or run.batch.micro_batch_tokens
    ):
        because = (
            "TRL's trainers need a number" if run.engine == "trl" else "micro_batch_tokens is set"
        )
        yield ("batch", "micro_batch_size"), f"auto finds nothing out where {because}"
    if run.output.record_train and run.engine == "trl":
        yield (
            ("output", "record_train"),
            "TRL's trainers do not say what they saw; use engine: prefalign",
        )
    if run.hardware.compile and run.engine == "trl":
        yield (
            ("hardware", "compile"),
            "engine: trl compiles by settings of its own; set trl.torch_compile instead",
        )
    if run.eval.every_steps is not None and run.data.test is None:
        yield ("eval", "every_steps"), "there is nothing to evaluate on; set data.test"
    if run.eval.keep != "last" and run.eval.every_steps is None:
        yield ("eval", "keep"), "there is only one evaluation to choose from; set eval.every_steps"
    if run.eval.patience is not None and run.eval.keep == "last":
        yield (
            ("eval", "patience"),
            "nothing says what a better evaluation is; set eval.keep, e.g. to accuracy_reference",
        )
