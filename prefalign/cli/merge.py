"""Write a model with its adapters merged into the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from prefalign.cli._options import settle_libraries


@click.command()
@click.argument("source", metavar="RUN|ADAPTERS", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="A new directory for the model.",
)
@click.option(
    "--dtype",
    type=click.Choice(["base", "fp32", "bf16"]),
    default="base",
    show_default=True,
    help="What weights are stored in; base: as those of the base model.",
)
def command(source: Path, output: Path, dtype: Literal["base", "fp32", "bf16"]) -> None:
    """Merge the adapters of a finished run, or of a directory, into the model they were trained on.

    Writes safetensors, tokenizer, chat template and generation settings, or nothing at all. A base model
    whose weights are not those that the run started from is refused.

    \b
    Examples:
      prefalign merge out/dpo-lora -o merged
      prefalign merge out/dpo-lora/checkpoint-100 -o merged --dtype fp32
    """
    from prefalign.publishing.merge import merge

    settle_libraries()
    from transformers.utils import logging

    logging.disable_progress_bar()
    difference = merge(source, output, stored=dtype)
    click.echo(output)
    click.echo(f"log-probs differ from the adapters' by {difference:.1e} nats at most", err=True)
