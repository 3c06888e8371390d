"""A run before it is started: what it will read, compute, hold and take. Loads no weights.

Steps and tokens are exact: they come from the trainer's own batches. FLOPs, bytes and seconds follow
from them by one small file of formulas each: `flops`, `activations`, `memory`, `hardware`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefalign.config import RunConfig
from prefalign.plan.hardware import CONTEXT_BYTES, GPUS
from prefalign.plan.record import Data, Fit, Lengths, Memory, Plan, Time, Work
from prefdata.errors import ConfigError

if TYPE_CHECKING:
    from prefalign.data.pair_set import PairSet
    from prefalign.engine.tree import Layout
    from prefalign.plan.memory import Setup
    from prefalign.plan.shape import Shape
    from prefalign.plan.totals import Totals
    from prefalign.progress import Reporter

SHARE_CUT = 0.02
"""The recommended max_length cuts fewer pairs than this."""

_NO_LIMIT = 2**31 - 1  # tokens: a max_length that cuts nothing


class Target(NamedTuple):
    """The hardware that is planned for.

    Attributes:
        device: cpu, or the name of a GPU.
        memory: bytes, if they are known.
        gpus: how many there are; None for those of this machine.
    """

    device: str
    memory: int | None = None
    gpus: int | None = None


def make_plan(
    config: RunConfig,
    run_file: Path,
    overrides: Sequence[str],
    *,
    launcher: Sequence[str] = (),
    target: Target,
    mfu: float,
    reporter: Reporter,
) -> Plan:
    """Returns the plan of a run.

    Args:
        config: what `run_file` and `overrides` were resolved to.
        run_file: its file.
        overrides: settings as `group.key=value`.
        launcher: arguments for `accelerate launch`, instead of ours.
        target: the hardware.
        mfu: share of a GPU's peak that is reached.
        reporter: who hears of progress.

    Raises:
        PrefError: pairs or model cannot be read, the pairs cannot be trained on, or the run is TRL's.
    """
    from prefalign.data.pair_set import read_set
    from prefalign.launch.line import process_count
    from prefalign.launchers.options import asked_in
    from prefalign.plan.shape import read_shape
    from prefalign.plan.sources import settings_of

    _refuse_unknown(config)
    train = read_set(config.data.train, config, reporter)
    test = read_set(config.data.test, config, reporter) if config.data.test else None
    reporter.begin("reading the model's configuration", 1, "model")
    shape, layout = read_shape(config.model)
    reporter.advance(1)
    asked = asked_in(launcher) if launcher else None
    processes = (asked and asked.processes) or process_count(config, target.gpus)
    longest = max(pairs.longest for pairs in (train, test) if pairs)
    setup = _setup(config, shape, layout, target, longest, processes)
    totals = _totals(config, setup, layout, train, test, reporter)
    memory = _memory(config, setup, totals, target)
    return Plan(
        run_file=str(run_file),
        settings=list(settings_of(config, run_file, overrides)),
        architecture=shape.architecture,
        parameters=shape.parameters,
        trainable_parameters=shape.trainable,
        precision=setup.precision,
        device=target.device,
        processes=setup.processes,
        layout=layout,
        data=_data(config, train, test),
        work=totals.work,
        memory=memory,
        fit=_fit(memory, target),
        mfu=mfu,
        times=_times(totals.work, setup.processes, mfu),
        divided=asked is not None and asked.divides,
        launch=_launch(config, run_file, overrides, launcher, target),
    )


def _refuse_unknown(config: RunConfig) -> None:
    """Refuses runs whose batches are not known before they run."""
    if config.batch.micro_batch_size == "auto":
        problem = "batch.micro_batch_size: auto is found out by trying, when the run starts"
        raise ConfigError(
            [problem], source="plan", hint="plan with a number: --set batch.micro_batch_size=4"
        )
    if config.engine == "trl":
        problem = "engine: trl makes batches of its own, which prefalign plan does not know"
        raise ConfigError([problem], source="engine trl", hint="plan with --set engine=prefalign")


def _setup(
    config: RunConfig, shape: Shape, layout: Layout, target: Target, longest: int, processes: int
) -> Setup:
    import torch

    from prefalign.models.loading import SHORT, resolve_precision
    from prefalign.plan.memory import Setup

    on_cpu = target.device == "cpu"
    wanted = config.hardware.precision
    if wanted == "auto":
        wanted = resolve_precision(wanted, torch.device("cpu")) if on_cpu else "bf16"
    return Setup(
        shape=shape,
        precision=wanted,
        checkpointing=config.hardware.gradient_checkpointing,
        eager=on_cpu and layout == "padded" and longest < SHORT,
        processes=processes,
        quantised=config.model.quantization is not None,
        offloaded=config.hardware.activation_offloading and not on_cpu,
    )


def _totals(
    config: RunConfig,
    setup: Setup,
    layout: Layout,
    train: PairSet,
    test: PairSet | None,
    reporter: Reporter,
) -> Totals:
    from prefalign.data.dataset import PairDataset, pairs_seen
    from prefalign.losses import NllParams
    from prefalign.plan.steps import steps_in_all
    from prefalign.plan.totals import totals

    method, pairs = config.method, len(train.store)
    nll_over = method.nll_over if isinstance(method, NllParams) else None
    seen = pairs_seen(steps_in_all(config, pairs), pairs, config.batch.global_batch_size)
    reporter.begin("counting batches", seen, "pairs")
    return totals(
        config,
        setup,
        PairDataset(train.store.table, nll_over=nll_over, layout=layout),
        PairDataset(test.store.table, layout=layout) if test else None,
        reporter.advance,
    )


def _memory(config: RunConfig, setup: Setup, totals: Totals, target: Target) -> Memory:
    """Returns the bytes of a device; a process without a GPU holds more than tensors."""
    held = totals.training
    process = loading = fragmentation = kernels = 0
    if target.device == "cpu":
        import psutil

        from prefalign.models.loading import locate
        from prefalign.plan.loading import loading_bytes
        from prefalign.plan.memory import fragmentation_bytes, kernel_bytes

        process = psutil.Process().memory_info().rss  # the run loads the same libraries
        loading = loading_bytes(setup.shape, locate(config.model.name)[0], setup.precision)
        fragmentation = fragmentation_bytes(held)
        kernels = kernel_bytes(setup.precision)
    training = sum(held)
    return Memory(
        **held._asdict(),
        training=training,
        fragmentation=fragmentation,
        kernels=kernels,
        scoring=totals.scoring,
        loading=loading,
        process=process,
        peak=process + max(training + fragmentation + kernels, totals.scoring + kernels, loading),
    )


def _data(config: RunConfig, train: PairSet, test: PairSet | None) -> Data:
    """Returns the table of lengths around the run's own max_length."""
    from prefalign.models.tokenizer import tokenizer_of
    from prefalign.tokenise import tokenise
    from prefdata import read_pairs
    from prefdata.tokens.lengths import length_table, offered, pair_lengths, recommend

    pairs = read_pairs(config.data.train)
    whole = config.data.model_copy(update={"max_length": _NO_LIMIT})
    store = tokenise(pairs, tokenizer_of(config.model), whole)
    lengths = pair_lengths(store.table).with_columns(pairs["source"])
    recommended = recommend(lengths, SHARE_CUT).rounded
    table = length_table(
        lengths,
        sorted({*offered(lengths), config.data.max_length, recommended}),
        config.data.truncation,
        by="source" if lengths["source"].n_unique() > 1 else None,
    )
    return Data(
        pairs=len(train.store),
        dropped={reason: len(ids) for reason, ids in train.store.dropped.items()},
        test_pairs=len(test.store) if test else None,
        lengths=[Lengths.model_validate({"source": None, **row}) for row in table.to_dicts()],
        recommended=recommended,
    )


def _fit(memory: Memory, target: Target) -> Fit | None:
    if target.memory is None:
        return None
    kept_back = 0 if target.device == "cpu" else CONTEXT_BYTES
    return Fit(
        device_memory=target.memory,
        kept_back=kept_back,
        fits=memory.peak + kept_back <= target.memory,
    )


def _times(work: Work, processes: int, mfu: float) -> list[Time]:
    return [
        Time(gpu=name, seconds=work.flops / (gpu.flops * mfu * processes))
        for name, gpu in GPUS.items()
    ]


def _launch(
    config: RunConfig,
    run_file: Path,
    overrides: Sequence[str],
    launcher: Sequence[str],
    target: Target,
) -> list[str]:
    from prefalign.launch.line import shell_lines

    settings = [part for setting in overrides for part in ("--set", setting)]
    typed = shlex.join([str(run_file), *settings])
    return shell_lines(config, typed, launcher, gpus=target.gpus)
