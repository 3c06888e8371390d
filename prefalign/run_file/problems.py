"""Sentences for what pydantic finds wrong with a run file: which key, what, and what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from prefalign.losses import LOSSES, LossParams
from prefalign.losses.dpo_losses import DPO_LOSSES
from prefalign.run_file import KeyPath
from prefdata.registry import did_you_mean

_SHOWN = 60  # characters of a value in a message

# What other trainers call it, where no key of ours is spelled nearly so.
_ELSEWHERE = {
    "per_device_train_batch_size": "it is batch.micro_batch_size here",
    "per_device_eval_batch_size": "it is eval.micro_batch_size here",
    "gradient_accumulation_steps": "it follows from batch.global_batch_size",
    "num_train_epochs": "it is optim.epochs here",
    "output_dir": "it is output.dir here",
    "lr": "it is optim.learning_rate here",
    "bf16": "it is hardware.precision here",
    "model_name_or_path": "it is model.name here",
    "max_prompt_length": "there is one limit, data.max_length, on prompt + completion",
    "loss_type": "it is method.loss here",
}

# One word means different things in different methods, so it is explained and not guessed at.
_MIXED_UP = {
    ("orpo", "beta"): "ORPO's weight is lambda_ (TRL calls it beta)",
    ("orpo", "alpha"): "ORPO's weight is lambda_ (its authors' code calls it alpha)",
    ("orpo", "lambda"): "ORPO's weight is lambda_, with the underscore",
    ("dpo", "loss_type"): "it is loss here",
    ("dpo", "loss_weights"): "weights stand beside the names, as in loss: {sigmoid: 1, sft: 0.5}",
    ("dpo", "rpo_alpha"): "add the term to the loss, as in loss: {sigmoid: 1, sft: 0.5}",
    ("dpo", "use_weighting"): "it is wpo here",
    ("dpo", "f_alpha_divergence_coef"): "it is f_alpha here",
    ("dpo", "lambda_"): "lambda_ is ORPO's weight; DPO's temperature is beta",
}


def sentences(errors: list[ErrorDetails], model: type[BaseModel]) -> list[tuple[KeyPath, str]]:
    """Returns the key path of each wrong setting and what is wrong with it.

    Args:
        errors: `ValidationError.errors()`.
        model: what the values were validated against.
    """
    found: dict[KeyPath, list[str]] = {}
    for error in errors:
        path, owner = _locate(error["loc"], model)
        if error["type"].startswith("union_tag"):
            path = (*path, "name")
        sentence = _sentence(error, path[-1], owner, model)
        if path in found:  # a union of plain types fails once for each, with the same value
            sentence = sentence.removeprefix(f"{_shown(error['input'])} must be ")
        found.setdefault(path, []).append(sentence)
    return [(path, " or ".join(texts)) for path, texts in found.items()]


def _locate(
    location: tuple[int | str, ...], model: type[BaseModel]
) -> tuple[KeyPath, type[BaseModel]]:
    """Returns the key path of an error, and the group that its last key belongs to.

    A location also holds the method's name, places in lists and members of unions; none of them is a
    key of the file.
    """
    path: list[str] = []
    owner, groups = model, [model]
    for step in map(str, location):
        named = [group for group in groups if _method_name(group) == step]
        if len(groups) > 1 and named:
            groups = named
            continue
        if not groups:
            break
        owner = groups[0]
        path.append(step)
        groups = _groups(owner, step)
    return tuple(path), owner


def _groups(owner: type[BaseModel], key: str) -> list[type[BaseModel]]:
    """Returns the groups that may stand at a key: none for a plain value, several for `method`."""
    info = owner.model_fields.get(key)
    if info is None:
        return []
    kinds = get_args(info.annotation) or (info.annotation,)
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _method_name(group: type[BaseModel]) -> str | None:
    return str(group.model_fields["name"].default) if issubclass(group, LossParams) else None


def _sentence(error: ErrorDetails, key: str, owner: type[BaseModel], model: type[BaseModel]) -> str:
    value = error["input"]
    match error["type"]:
        case "extra_forbidden" | "invalid_key":
            return f"unknown key; {_meant(key, owner, model)}"
        case "missing":
            return f"missing: {_description(key, owner)}"
        case "union_tag_not_found":
            return f"missing: {_choice(LOSSES.names())}"
        case "union_tag_invalid":
            return _no_method(error["ctx"]["tag"])
        case "refused":
            return error["msg"]
        case "literal_error":
            return _not_one_of(list(_literals(owner.model_fields[key].annotation)), value)
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{_shown(value)} is no group of settings"
        case "path_type":
            return f"{_shown(value)} is no path"
        case _:
            expected = error["msg"].partition(", ")[0].replace("Input should be", "must be")
            return f"{_shown(value)} {expected}"


def _literals(kind: Any) -> Iterator[str]:
    """Yields the words that a setting may be, also one that may be something else."""
    for part in get_args(kind):
        yield from [part] if isinstance(part, str) else _literals(part)


def _description(key: str, owner: type[BaseModel]) -> str:
    groups = _groups(owner, key)
    if len(groups) > 1:
        return f"it needs {key}.name: {_choice(LOSSES.names())}"
    if groups:
        required = [name for name, info in groups[0].model_fields.items() if info.is_required()]
        return f"it needs {', '.join(f'{key}.{name}' for name in required)}"
    return owner.model_fields[key].description or key


def _not_one_of(known: list[str], value: Any) -> str:
    hint = did_you_mean(str(value), known)
    return f"{_shown(value)} must be {_choice(known)}" + (f"; {hint}" if hint else "")


def _no_method(name: str) -> str:
    if name in DPO_LOSSES.names():
        return f"{name!r} is a loss of dpo: method: {{name: dpo, loss: {name}}}"
    return _not_one_of(LOSSES.names(), name)


def _meant(key: str, owner: type[BaseModel], model: type[BaseModel]) -> str:
    """Returns what the writer of an unknown key probably meant."""
    method = _method_name(owner) or ""
    if (method, key) in _MIXED_UP:
        return _MIXED_UP[method, key]
    others = [loss.name for loss in LOSSES if key in loss.params.model_fields]
    if method and others:
        return f"it is a setting of {_choice(others)}"
    homes = [".".join(path) for path in _keys(model) if path[-1] == key]
    if len(homes) == 1:
        return f"it is {homes[0]} here"
    known = list(owner.model_fields)
    return _ELSEWHERE.get(key) or did_you_mean(key, known) or f"known keys: {', '.join(known)}"


def _keys(model: type[BaseModel], above: KeyPath = ()) -> Iterator[KeyPath]:
    """Yields the path of every key outside `method`."""
    for key in model.model_fields:
        groups = _groups(model, key)
        if not groups:
            yield (*above, key)
        elif len(groups) == 1:
            yield from _keys(groups[0], (*above, key))


def _choice(names: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
