"""What makes a run the run it is: written down when it starts, compared when it is to go on.

What only decides how fast it runs, what it writes or how it is measured may change in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefalign.config import RunConfig
from prefdata.errors import PrefError
from prefdata.io.write import atomic

IDENTITY_FILE = "identity.json"

# Files and models may move: their content is compared, by `_differing_facts`.
_FREE = frozenset(
    [
        "output",
        "eval",
        "hardware",
        "data.train",
        "data.test",
        "model.name",
        "model.trust_remote_code",
    ]
)
# Of this group only the keys named here matter.
_BOUND = {"batch": ("global_batch_size",)}
_LENGTH = ("optim.epochs", "optim.max_steps")
_VALUES = ("trl", "method.loss")  # mappings that are one value


class Identity(BaseModel):
    """Facts of a run that its checkpoints depend on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[2] = 2
    config: dict[str, Any] = Field(description="the resolved run file")
    precision: str
    model: str = Field(description="hash of the weights without adapters")
    train_tokens: str = Field(description="hash of the training pairs' tokens")
    train_pairs: int
    test_tokens: str | None
    division: str | None = Field(description="what divides the model among processes")


def read_identity(directory: Path) -> Identity | None:
    """Returns what the run in `directory` was when it started; None where nothing readable says so."""
    try:
        return Identity.model_validate_json((directory / IDENTITY_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def write_identity(directory: Path, identity: Identity) -> None:
    """Writes `identity.json`."""
    with atomic(directory / IDENTITY_FILE) as temporary:
        temporary.write_text(identity.model_dump_json(indent=2) + "\n", encoding="utf-8")


def refuse_other_settings(config: RunConfig) -> None:
    """Refuses to go on with a run under settings that make another run.

    Raises:
        PrefError: the run in the output directory was begun with other ones; all of them are named.
    """
    began = read_identity(config.output.dir)
    if began is not None:
        now = config.model_dump(mode="json")
        _refuse(config.output.dir, list(_differences(began.config, now)))


def refuse_another_run(directory: Path, now: Identity) -> None:
    """Refuses to go on with a run whose data, model or settings have changed.

    Raises:
        PrefError: they have; every difference is named, with what it was and what it is.
    """
    began = read_identity(directory)
    if began is not None:
        settings = list(_differences(began.config, now.config))
        _refuse(directory, [*settings, *_differing_facts(began, now)])


def _refuse(directory: Path, differences: list[str]) -> None:
    if differences:
        raise PrefError(
            f"{directory}: the run in it was another one\n  " + "\n  ".join(differences),
            hint="change it back to go on; to start afresh add --overwrite, or choose another "
            "directory with --set output.dir=DIR",
        )


def _differences(then: dict[str, Any], now: dict[str, Any], group: str = "") -> Iterator[str]:
    """Yields a line for each setting that differs and matters.

    One that only one of them has was added by another release, or belongs to another method.
    """
    for name in sorted(then.keys() & now.keys()):
        key = f"{group}.{name}" if group else name
        before, after = then[name], now[name]
        if key in _FREE or name not in _BOUND.get(group, (name,)):
            continue
        if isinstance(before, dict) and isinstance(after, dict) and key not in _VALUES:
            yield from _differences(before, after, key)
        elif before != after and not (key in _LENGTH and _may_be_longer(then)):
            yield f"{key}: {_shown(before)} then, {_shown(after)} now"


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def _may_be_longer(optim: dict[str, Any]) -> bool:
    """Returns whether more or fewer steps leave the learning rates of those done as they were."""
    return bool(optim["scheduler"] == "constant" and optim["warmup_ratio"] == 0)


def _differing_facts(then: Identity, now: Identity) -> Iterator[str]:
    if then.model != now.model:
        yield f"model.name: its weights differ (hash {then.model[:12]} then, {now.model[:12]} now)"
    if then.train_tokens != now.train_tokens:
        yield _other_tokens("train", then.train_tokens, now.train_tokens) + (
            f"; {then.train_pairs:,} pairs then, {now.train_pairs:,} now"
        )
    if then.test_tokens != now.test_tokens:
        yield _other_tokens("test", then.test_tokens, now.test_tokens)
    if then.precision != now.precision:
        yield f"hardware.precision: {then.precision} then, {now.precision} now"
    if then.division != now.division:
        ways = [way or "whole in every process" for way in (then.division, now.division)]
        yield f"the model: {ways[0]} then, {ways[1]} now"


def _other_tokens(which: str, then: str | None, now: str | None) -> str:
    hashes = ["none" if name is None else name[:12] for name in (then, now)]
    return f"data.{which}: its tokens differ (hash {hashes[0]} then, {hashes[1]} now)"
