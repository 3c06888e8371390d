"""Check a run file and its data files; prints every problem at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from prefalign.cli._options import run_file_argument, set_option
from prefalign.config import RunConfig, load_run
from prefalign.preflight import check_settings


@click.command()
@run_file_argument
@set_option
def command(run_file: Path, overrides: tuple[str, ...]) -> None:
    """Check RUN.yaml before anything expensive starts: keys, values, data files. Loads no model.

    \b
    Examples:
      prefalign validate run.yaml
      prefalign validate run.yaml --set method.beta=0.3 --set model.name=./my-model
    """
    run = load_run(run_file, overrides)
    pairs = check_settings(run, str(run_file))
    click.echo(f"{run_file} is valid")
    for name, settings in summary(run, pairs):
        click.echo(f"  {name:<10}{settings}")
    click.echo(f"next: prefalign train {run_file}")


def summary(run: RunConfig, pairs: Mapping[str, int | None]) -> Iterator[tuple[str, str]]:
    """Yields each group of settings with its values, defaults included."""
    for group, settings in run.model_dump(mode="json").items():
        if settings != {}:
            yield group, _text(settings)
    yield (
        "pairs",
        _text({key: "?" if number is None else f"{number:,}" for key, number in pairs.items()}),
    )


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{key} ({_text(item)})" if isinstance(item, dict) else f"{key} {_text(item)}"
            for key, item in value.items()
            if item is not None and item != []
        )
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
