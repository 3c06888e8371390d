"""What is refused before a model is loaded, or torch: all that is wrong at once, and what will be tight.

`check_settings` looks at files and settings, `preflight` makes the token stores as well, and `remarks`
says what may fail later. A run that is wrong should say so in a second, not in ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prefalign.config import RunConfig
from prefalign.preflight.data import count_pairs, manifest_problems, sources
from prefalign.preflight.disk import (
    input_problems,
    output_problems,
    space_problems,
    space_remark,
    written,
)
from prefalign.preflight.model import adapter_problems, model_problems, read_files
from prefalign.preflight.problem import Problem
from prefalign.preflight.size import lora_problems, rough_shape
from prefalign.preflight.tracking import untrackable
from prefdata.errors import ConfigError, InputError

if TYPE_CHECKING:
    from prefalign.data.pair_set import PairSet


def check_settings(
    config: RunConfig, source: str, *, ask_hub: bool = False
) -> dict[str, int | None]:
    """Refuses a run whose files are missing or broken, or whose output has no place.

    Args:
        config: the run.
        source: the run file, for messages.
        ask_hub: look up a model that is not here.

    Returns:
        The number of pairs in each data file; None where it is not known yet.

    Raises:
        ConfigError: all that is wrong.
    """
    counts: dict[str, int | None] = {}
    problems: list[Problem] = []
    for key, name in sources(config):
        try:
            counts[key] = count_pairs(name)
            problems += manifest_problems(key, name)
        except InputError as error:
            problems.append(Problem(f"data.{key}", error.message, error.hint))
    problems += [
        Problem("output.report_to", text, hint)
        for text, hint in untrackable(config.output.report_to)
    ]
    problems += model_problems(config.model.name, ask_hub=ask_hub)
    problems += adapter_problems(config.model)
    problems += _problems_of_size(config)
    if problems:
        raise ConfigError(
            [f"{problem.key}: {problem.text}" for problem in problems],
            source=source,
            hint="; ".join(filter(None, dict.fromkeys(problem.hint for problem in problems))),
        )
    return counts


def _problems_of_size(config: RunConfig) -> Iterator[Problem]:
    """Yields what is wrong with the output's place and the adapters, given the model's files."""
    files, lora = read_files(config.model.name), config.model.lora
    if lora is not None:
        yield from lora_problems(files, lora)
    without_place = [*output_problems(config.output), *input_problems(config)]
    shape = rough_shape(files, lora)
    if without_place or shape is None:
        yield from without_place
    else:
        yield from space_problems(config.output, written(config, shape, None))


def preflight(config: RunConfig, source: str) -> PairSet:
    """Refuses a run before any model is loaded, and leaves the token stores in the cache.

    Returns:
        The training pairs.

    Raises:
        PrefError: settings or files are wrong, or the pairs cannot be trained on.
    """
    from prefalign.data.pair_set import read_set

    check_settings(config, source, ask_hub=True)
    train, *_ = [read_set(name, config) for _, name in sources(config)]
    return train


def remarks(config: RunConfig, train: PairSet, *, divided: bool = False) -> Iterator[str]:
    """Yields what may end a run early although nothing is wrong with it yet.

    Args:
        config: a run that went through `preflight`.
        train: its training pairs.
        divided: the launcher may divide the model among devices, so that its memory is not known here.
    """
    from prefalign.plan.steps import steps_in_all
    from prefalign.preflight.device import find_device
    from prefalign.preflight.memory import memory_remark

    files = read_files(config.model.name)
    shape = rough_shape(files, config.model.lora)
    if shape is None:
        return
    steps = steps_in_all(config, len(train.store))
    if remark := space_remark(config.output, written(config, shape, steps)):
        yield remark
    if not divided:
        device = find_device(config.hardware.device)
        if remark := memory_remark(config, files, train.store.table, device):
            yield remark
