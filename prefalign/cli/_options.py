"""What several commands share: arguments, options, and libraries that keep quiet."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

run_file_argument = click.argument(
    "run_file", metavar="RUN.yaml", type=click.Path(dir_okay=False, path_type=Path)
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="GROUP.KEY=VALUE",
    help="Override a setting of the run file.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="Of the forward passes; auto: bf16 where the hardware has it.",
)
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu"]), default="auto", show_default=True
)
trust_option = click.option(
    "--trust-remote-code", is_flag=True, help="Run Python code that comes with a model."
)


def settle_libraries() -> None:
    """Sets libraries up for this process, which runs models itself; comes before their import."""
    from prefalign.launch.environment import settle_environment

    settle_environment()
    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries, about themselves
