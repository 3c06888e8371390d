"""Options of `prefdata curate` to a plan, and plans as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from prefdata.curate.plan import Plan

ALL = "all"


def chosen_plan(plan: Path | None, options: dict[str, Any]) -> Plan:
    """Returns the plan of a file, or the one that options spell.

    Args:
        plan: a YAML file.
        options: as `prefdata.cli.curate` names them; None and False stand for not given.

    Raises:
        click.UsageError: both were given.
        ConfigError: the file holds no plan.
    """
    from prefdata.curate.plan import load_plan, read_plan

    given = [name for name, value in options.items() if value not in (None, False)]
    if plan is None:
        return read_plan({"steps": _steps(**options)}, "options")
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"--plan says it all: leave out {names}, or write it into {plan}")
    return load_plan(plan)


def _steps(
    *,
    select: list[str] | None,
    dedup: str | None,
    keep: str | None,
    majority: bool,
    min_margin: float | None,
    min_chosen_score: float | None,
    recipe: str | None,
    cap: int | None,
    cap_by: str | None,
    balance_length: bool,
    sample: float | None,
    seed: int | None,
) -> list[dict[str, Any]]:
    if keep and not dedup:
        raise click.UsageError("--keep says which duplicate stays: add --dedup")
    if cap_by and not cap:
        raise click.UsageError("--cap-by says which pairs stay: add --cap")
    drawn = {"seed": seed or 0}
    amount = {} if sample is None else {"size": int(sample)} if sample >= 1 else {"share": sample}
    steps: list[tuple[Any, dict[str, Any]]] = [
        (True, {"step": "fix", "rules": select}),
        (dedup, {"step": "dedup", "how": dedup, "keep": keep or "first"}),
        (majority, {"step": "majority"}),
        (min_margin is not None, {"step": "filter", "column": "margin", "min": min_margin}),
        (
            min_chosen_score is not None,
            {"step": "filter", "column": "chosen_score", "min": min_chosen_score},
        ),
        *((True, step) for step in _recipe_steps(recipe)),
        (cap, {"step": "cap", "most": cap, "by": cap_by or "draw"} | drawn),
        (balance_length, {"step": "balance-length"} | drawn),
        (sample, {"step": "sample"} | amount | drawn),
    ]
    return [step for wanted, step in steps if wanted]


def _recipe_steps(recipe: str | None) -> list[dict[str, Any]]:
    return [step.model_dump() for step in recipe_plan(recipe).steps] if recipe else []


def recipe_plan(name: str) -> Plan:
    """Returns the plan of a recipe.

    Raises:
        PrefError: there is none of that name.
    """
    import yaml

    from prefdata.curate.plan import read_plan
    from prefdata.curate.recipes import recipe

    return read_plan(yaml.safe_load(recipe(name)), f"recipe {name}")


def named_plans(names: Sequence[str]) -> dict[str, Plan]:
    """Returns name -> plan of recipes, and of plan files, which are known by their suffix.

    Args:
        names: `all` stands for every recipe.
    """
    from prefdata.curate.plan import load_plan
    from prefdata.curate.recipes import recipes

    wanted = [each for name in names for each in (recipes() if name == ALL else [name])]
    files = (".yaml", ".yml")
    return {
        name: load_plan(Path(name)) if Path(name).suffix in files else recipe_plan(name)
        for name in wanted
    }


def plan_text(plan: Plan) -> str:
    """Returns a plan as YAML that `--plan` reads, thresholds included."""
    import yaml

    content = plan.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(content, sort_keys=False))


def step_list() -> list[str]:
    """Returns a line for each step that a plan may hold, and for each recipe."""
    import sys

    from prefdata.curate.recipes import recipes
    from prefdata.curate.step import STEPS

    kinds = [(name, STEPS.get(name)) for name in STEPS.names()]
    pages = [(name, sys.modules[kind.__module__].__doc__ or "") for name, kind in kinds]
    steps = [f"{name:<21}  {page.partition(chr(10))[0]}" for name, page in pages]
    kept = [f"--recipe {name:<21}  {purpose}" for name, purpose in recipes().items()]
    return [*steps, "", *kept]
