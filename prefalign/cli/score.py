"""Write down what models say of each pair: log-probs, margins, IFD, keyed by the pair's id."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from prefalign.cli._options import device_option, precision_option, settle_libraries, trust_option
from prefdata.errors import PrefError

if TYPE_CHECKING:
    import polars as pl

    from prefalign.config import Data
    from prefalign.models.named import NamedModel

_SUFFIXES = (".parquet", ".jsonl")


@click.command()
@click.argument("pairs", metavar="PAIRS")
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="M",
    help="A finished run, adapters, a directory with weights or a hub name. May be given several times.",
)
@click.option(
    "--reference",
    metavar="R",
    help="What margins are measured from; else what a run or adapters were trained from.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .parquet or .jsonl file: a row for each model and pair.",
)
@click.option(
    "--max-length",
    type=click.IntRange(2),
    help="Tokens of prompt + completion; else the run's, or 1024.",
)
@click.option(
    "--truncation",
    type=click.Choice(["drop", "keep_start", "keep_end"]),
    help="What happens to a pair with a longer side; else what the run did, or drop.",
)
@click.option("--micro-batch-size", type=click.IntRange(1), default=8, show_default=True)
@precision_option
@device_option
@trust_option
def command(
    pairs: str,
    models: tuple[str, ...],
    reference: str | None,
    output: Path,
    max_length: int | None,
    truncation: Literal["drop", "keep_start", "keep_end"] | None,
    micro_batch_size: int,
    precision: Literal["auto", "fp32", "bf16"],
    device: Literal["auto", "cpu"],
    *,
    trust_remote_code: bool,
) -> None:
    """Ask models about each of PAIRS, a file or a hub dataset, on one process or many.

    Prompts and completions are computed once, in the layout that gives the log-probs of sequences run
    alone. What is known from a training, another command or one that was killed is not computed again.
    `prefdata check PAIRS --scores FILE` reads the table of one model.

    \b
    Examples:
      prefalign score pairs.parquet --model out/dpo -o scores.parquet
      prefalign score pairs.parquet --model out/dpo --model out/orpo -o both.parquet
      prefalign score pairs.parquet --model ./trained --reference ./base -o scores.parquet
      accelerate launch --num_processes 8 -m prefalign score pairs.parquet --model out/dpo -o scores.parquet
    """
    settle_libraries()
    _refuse(models, output)
    with _one_message():
        from prefalign.models.named import find_model

        policies = [find_model(name, trust_remote_code=trust_remote_code) for name in models]
        base = find_model(reference, trust_remote_code=trust_remote_code) if reference else None
        data = _data(pairs, policies, max_length, truncation)
        table = _score(data, policies, base, micro_batch_size, precision, device)
        if _rank() == 0:
            _write(table, output)


def _refuse(models: tuple[str, ...], output: Path) -> None:
    if output.suffix not in _SUFFIXES:
        raise click.BadParameter(f"{output}: name a .parquet or a .jsonl file", param_hint="'-o'")
    if len(set(models)) < len(models):
        raise click.BadParameter("a model is named twice", param_hint="'--model'")


def _data(
    pairs: str,
    policies: list[NamedModel],
    max_length: int | None,
    truncation: Literal["drop", "keep_start", "keep_end"] | None,
) -> Data:
    """Returns how pairs are read: as asked for, else as the first of the runs read its own."""
    from prefalign.config import Data

    like = next((policy.data for policy in policies if policy.data), Data(train=pairs))
    return Data(
        train=pairs,
        max_length=max_length or like.max_length,
        truncation=truncation or like.truncation,
    )


def _score(
    data: Data,
    policies: list[NamedModel],
    base: NamedModel | None,
    micro_batch_size: int,
    precision: Literal["auto", "fp32", "bf16"],
    device: Literal["auto", "cpu"],
) -> pl.DataFrame:
    from accelerate import PartialState
    from transformers.utils import logging

    from prefalign.models.loading import resolve_precision
    from prefalign.progress import Console, Silence
    from prefalign.scoring.asking import Asking, score_models
    from prefdata import read_pairs

    logging.disable_progress_bar()
    pairs = read_pairs(data.train)
    state = PartialState(cpu=device == "cpu")
    asking = Asking(
        data, micro_batch_size, resolve_precision(precision, state.device), state.device
    )
    reporter = Console() if state.is_main_process else Silence()
    try:
        return score_models(pairs, policies, base, asking, reporter)
    finally:
        reporter.close()
        state.destroy_process_group()


def _rank() -> int:
    """Returns the number of this process among those of a launcher."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def _one_message() -> Iterator[None]:
    """Leaves what went wrong to the first process to say."""
    try:
        yield
    except PrefError as error:
        if _rank() == 0:
            raise
        raise SystemExit(error.exit_code) from error


def _write(table: pl.DataFrame, output: Path) -> None:
    from prefdata.io.write import atomic

    with atomic(output) as temporary:
        if output.suffix == ".jsonl":
            table.write_ndjson(temporary)
        else:
            table.write_parquet(temporary)
    click.echo(
        f"wrote {output}: {table['model'].n_unique()} x {table['id'].n_unique():,} pairs", err=True
    )
