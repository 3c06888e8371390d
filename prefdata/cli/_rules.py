"""Options that name rules."""

from __future__ import annotations

import click


def rule_list(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> list[str] | None:
    """Returns the names, codes or families in a comma-separated option."""
    if value is None:
        return None
    return [word.strip() for word in value.split(",") if word.strip()]
