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

if TYPE_CHECKING:
    from prefalign.engine.tree import Layout
    from prefalign.pair_set import PairSet
    from prefalign.plan.memory import Setup
    from prefalign.plan.shape import Shape
    from prefalign.plan.totals import Progress, Totals

SHARE_CUT = 0.02
"""The recommended max_length cuts fewer pairs than this."""

_NO_LIMIT = 2**31 - 1


class Target(NamedTuple):
    """The hardware that is planned for.

    Attributes:
        device: cpu, or the name of a GPU.
        memory: bytes, if they are known.
    """

    device: str
    memory: int | None = None


def make_plan(
    config: RunConfig,
    run_file: Path,
    overrides: Sequence[str],
    *,
    target: Target,
    mfu: float,
    progress: Progress = lambda _: None,
) -> Plan:
    """Returns the plan of a run.

    Args:
        config: what `run_file` and `overrides` were resolved to.
        run_file: its file.
        overrides: settings as `group.key=value`.
        target: the hardware.
        mfu: share of a GPU's peak that is reached.
        progress: called with the number of pairs done after each pass that was looked at.

    Raises:
        PrefError: pairs or model cannot be read, or the pairs cannot be trained on.
    """
    from prefalign.pair_set import read_set
    from prefalign.plan.shape import read_shape
    from prefalign.plan.sources import settings_of

    train = read_set(config.data.train, config)
    test = read_set(config.data.test, config) if config.data.test else None
    shape, layout = read_shape(config.model)
    setup = _setup(config, shape, layout, target, max(s.longest for s in (train, test) if s))
    work, memory = _totals(config, setup, layout, train, test, progress)
    if target.device == "cpu":
        memory = memory.model_copy(update=_on_cpu(config, setup))
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
        work=work,
        memory=memory,
        fit=_fit(memory, target),
        mfu=mfu,
        times=_times(work, setup.processes, mfu),
        launch=_launch(config, run_file, overrides),
    )


def _setup(config: RunConfig, shape: Shape, layout: Layout, target: Target, longest: int) -> Setup:
    import torch

    from prefalign.launch import process_count
    from prefalign.model import SHORT, resolve_precision
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
        processes=process_count(config),
    )


def _totals(
    config: RunConfig,
    setup: Setup,
    layout: Layout,
    train: PairSet,
    test: PairSet | None,
    progress: Progress,
) -> Totals:
    from prefalign.dataset import PairDataset
    from prefalign.losses import NllParams
    from prefalign.plan.totals import totals

    method = config.method
    nll_over = method.nll_over if isinstance(method, NllParams) else None
    return totals(
        config,
        setup,
        PairDataset(train.store.table, nll_over=nll_over, layout=layout),
        PairDataset(test.store.table, layout=layout) if test else None,
        progress,
    )


def _on_cpu(config: RunConfig, setup: Setup) -> dict[str, int]:
    """Returns what a process without a GPU holds besides; this one has loaded the same libraries."""
    import psutil

    from prefalign.model import locate
    from prefalign.plan.loading import loading_bytes

    source, _ = locate(config.model.name)
    return {
        "process": psutil.Process().memory_info().rss,
        "loading": loading_bytes(setup.shape, source, setup.precision),
    }


def _data(config: RunConfig, train: PairSet, test: PairSet | None) -> Data:
    """Returns the table of lengths around the run's own max_length."""
    from prefalign.tokenise import tokenise
    from prefdata import read_pairs
    from prefdata.tokens.lengths import length_table, offered, pair_lengths, recommend

    pairs = read_pairs(config.data.train)
    whole = config.data.model_copy(update={"max_length": _NO_LIMIT})
    trusted = config.model.trust_remote_code
    store = tokenise(pairs, config.model.name, whole, trust_remote_code=trusted)
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


def _launch(config: RunConfig, run_file: Path, overrides: Sequence[str]) -> str:
    from prefalign.launch import shell_line

    settings = [part for setting in overrides for part in ("--set", setting)]
    return shell_line(config, shlex.join([str(run_file), *settings]))
