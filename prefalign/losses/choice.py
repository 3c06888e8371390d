"""What a run file asks of the DPO family: which losses, and which settings go with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from prefalign.losses import LOSSES
from prefalign.losses.dpo_losses import DPO_LOSSES, DpoLoss
from prefdata.registry import did_you_mean

Choice: TypeAlias = str | list[str] | dict[str, float]


def weights(choice: Choice) -> dict[str, float]:
    """Returns loss -> its weight in the sum; 1 where the choice names none."""
    if isinstance(choice, dict):
        return choice
    return dict.fromkeys([choice] if isinstance(choice, str) else choice, 1.0)


def unusable(choice: Any) -> Iterator[str]:
    """Yields what is wrong with the value of `method.loss`, a sentence each."""
    names = [choice] if isinstance(choice, str) else choice
    if not isinstance(names, list | dict) or not names:
        yield f"{choice!r} is no loss: name one, a list of them, or a weight for each"
        return
    for name in dict.fromkeys(map(str, names)):
        if name not in DPO_LOSSES.names():
            yield _unknown(name)
        elif isinstance(names, list) and names.count(name) > 1:
            yield f"{name!r} is given again; for a weight, write loss: {{{name}: 2}}"
        elif isinstance(names, dict) and not _is_weight(names[name]):
            yield f"{name}: {names[name]!r} is no weight above 0"


def refusal(setting: str, value: Any, usual: Any, chosen: Mapping[str, Any]) -> str | None:
    """Returns why `setting` cannot have `value`, or None.

    Args:
        setting: a field of `Dpo`.
        value: what the run file says, or the default.
        usual: its default.
        chosen: `loss` and the other settings before this one.
    """
    parts = [DPO_LOSSES.get(name) for name in weights(chosen["loss"])]
    if value == usual:
        needy = [part.name for part in parts if setting in part.requires]
        return f"{_named(needy)} needs a value other than {value}" if needy else None
    match setting:
        case "f_alpha":
            unread = chosen.get("f_divergence") != "alpha"
            return "only f_divergence: alpha reads it" if unread else None
        case "f_divergence":
            return _indivisible(parts, value)
        case "ld_alpha" | "wpo":
            return _unweighable(parts, setting)
        case "labels" if chosen.get("label_smoothing"):
            return "the votes say how sure a label is; leave label_smoothing at 0"
    if any(setting in part.reads for part in parts):
        return None
    readers = [part.name for part in DPO_LOSSES if setting in part.reads]
    deaf = _named([part.name for part in parts])
    return f"{deaf} would ignore it; it is for {_named(readers)}"


def _indivisible(parts: list[DpoLoss], divergence: str) -> str | None:
    of_pairs = [part for part in parts if not part.per_token]
    if not of_pairs:
        return f"{_named([part.name for part in parts])} has no reference to be at a distance from"
    others = [part for part in of_pairs if "f_divergence" not in part.reads]
    per_token = [part.name for part in others if part.length_normalised]
    if per_token:
        return (
            f"{divergence!r} is impossible with {_named(per_token)}: a mean over tokens needs a score "
            "that is a sum over tokens, which only that of reverse_kl is"
        )
    if not others:
        return None
    return (
        f"{divergence!r} is impossible with {_named([part.name for part in others])}: the normaliser "
        "of a divergence other than reverse_kl cancels only in chosen's score minus rejected's"
    )


def _unweighable(parts: list[DpoLoss], setting: str) -> str | None:
    of_tokens = [part.name for part in parts if part.per_token]
    of_batches = [part.name for part in parts if not part.pair_separable]
    if setting == "ld_alpha":
        return (
            None if len(of_tokens) < len(parts) else "sft compares no lengths and would ignore it"
        )
    if of_tokens:
        return f"it weighs pairs, and {_named(of_tokens)} is a mean over tokens"
    if of_batches:
        return f"it weighs pairs, and {_named(of_batches)} sorts them apart"
    return None


def _unknown(name: str) -> str:
    if name in LOSSES.names():
        return f"{name!r} is a method of its own: method: {{name: {name}}}"
    known = DPO_LOSSES.names()
    hint = did_you_mean(name, known) or f"losses: {', '.join(known)}"
    return f"there is no loss {name!r}; {hint}"


def _is_weight(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0


def _named(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
