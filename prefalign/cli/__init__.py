"""The command line of prefalign; its commands are the modules of this package.

The group and the handling of errors are prefdata's, so both programs behave alike.
"""

from __future__ import annotations

import click

from prefdata import __version__
from prefdata.cli import CommandPackage, run


@click.command(cls=CommandPackage, package="prefalign.cli")
@click.version_option(__version__, "-V", "--version", prog_name="prefalign")
def prefalign() -> None:
    """Train on preference pairs with DPO or ORPO, and compare the runs.

    \b
    prefalign init dpo -o run.yaml       a commented run file to edit
    prefalign validate run.yaml          every problem of it, in a second
    prefalign plan run.yaml              steps, tokens, memory and time before any GPU hour
    prefalign train run.yaml             or: accelerate launch -m prefalign train run.yaml
    prefalign compare out/dpo out/orpo
    """


def main() -> None:
    """Entry point of the `prefalign` program."""
    run(prefalign, "prefalign")
