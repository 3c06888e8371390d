"""The model card: what was trained on what, how, and with which result."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from prefalign.losses import LOSSES, loss_of
from prefalign.metrics import Estimate
from prefalign.records.run import MODEL_DIR, DataRecord, RunRecord
from prefdata.io.manifest import sibling
from prefdata.io.write import atomic

_CARD = """---
{front}---

# {title}

{method} (arXiv:{paper}) on {pairs:,} preference pairs, starting from `{base}`.

| | |
| --- | --- |
| method | {settings} |
| training pairs | {pairs:,} from {source}, {seen} |
| weights trained | {trainable:,} of {parameters:,} ({kind}), {precision} |
| data manifest | {manifest} |
| licences | {licences} |
| token fingerprint | `{fingerprint}` |
| base weights | `{digest}` |
| time | {seconds:,.0f} s on {processes} x {device} |

{results}
"""

_RESULTS = """## Held-out pairs

| metric | value | 95 % interval |
| --- | --- | --- |
{rows}

`accuracy_reference` is the share of {pairs:,} pairs where training moved chosen further up than \
rejected; the untouched model has one half by definition.
"""


def write_card(directory: Path, record: RunRecord) -> None:
    """Writes `README.md` into the run directory and beside the weights."""
    text = card(record)
    for place in (directory, directory / MODEL_DIR):
        with atomic(place / "README.md") as temporary:
            temporary.write_text(text)


def card(record: RunRecord, *, merged: bool = False) -> str:
    """Returns the card of a run as Markdown with the hub's front matter.

    Args:
        record: of the run.
        merged: the weights are whole: adapters, if it trained any, are part of them.
    """
    method = record.config["method"]
    adapters = record.trained_adapters and not merged
    settings = ", ".join(
        f"{name} {value}" for name, value in method.items() if name != "name" and value is not None
    )
    base = record.model.adapters_of or record.model.name
    front = {
        **_lineage(base, record.train, adapters=adapters),
        "library_name": "peft" if adapters else "transformers",
        "tags": [method["name"], "preference", "prefalign", *(["lora"] if adapters else [])],
    }
    return _CARD.format(
        front=yaml.safe_dump(front, sort_keys=False),
        title=f"{Path(record.model.name).name}-{method['name']}",
        method=method["name"].upper(),
        paper=loss_of(LOSSES.get(method["name"]).params.model_validate(method)).paper,
        base=_shown(record.model.name),
        settings=settings,
        pairs=record.train.pairs,
        source=_source(record.train),
        seen=_seen(record),
        trainable=record.model.trainable_parameters,
        parameters=record.model.parameters,
        kind=_kind(record, merged=merged),
        precision=record.precision,
        manifest=_manifest(record.train),
        licences=f"base model: {record.model.licence or 'not stated'}; "
        f"training pairs: {record.train.licence or 'not stated'}",
        fingerprint=record.train.token_fingerprint,
        digest=record.model.digest,
        seconds=record.cost.seconds,
        processes=record.cost.processes,
        device=record.cost.device,
        results=_results(record),
    )


def _lineage(base: str, data: DataRecord, *, adapters: bool) -> dict[str, object]:
    """Returns the front matter's fields about what the model was made from, as far as it is on the hub."""
    fields: dict[str, object] = {}
    if is_hub_name(base):
        fields |= {
            "base_model": base,
            "base_model_relation": "adapter" if adapters else "finetune",
        }
    if data.sha256 is None:
        fields["datasets"] = [re.split("[:@]", data.source.removeprefix("hf://"))[0]]
    return fields


def _source(data: DataRecord) -> str:
    """Returns the name of a hub dataset, or that of a file and its hash: its place is this machine's."""
    if data.sha256 is None:
        return f"`{data.source}`"
    return f"`{Path(data.source).name}` (sha256 `{data.sha256}`)"


def _seen(record: RunRecord) -> str:
    """Returns how often pairs were seen, and which of the models on the way this is."""
    seen = f"{record.cost.pairs_seen:,} seen"
    if record.kept_step is None:
        return seen
    metric = record.config["eval"]["keep"]
    return (
        f"{seen}; the model of step {record.kept_step} of {record.cost.steps}, the best by {metric}"
    )


def _kind(record: RunRecord, *, merged: bool) -> str:
    """Returns what was trained, in a few words."""
    if not record.trained_adapters:
        return "full"
    lora = record.config["model"]["lora"]
    kind = "DoRA" if lora and lora["dora"] else "LoRA"
    if quantization := record.config["model"].get("quantization"):
        kind += f" on {quantization}"
    further = (
        f" of {_shown(record.model.adapters_of)}, trained further"
        if record.model.adapters_of
        else ""
    )
    return kind + further + (", merged" if merged else "")


def _shown(name: str) -> str:
    """Returns a model's name, of a directory only the last part: the rest is this machine's."""
    return name if is_hub_name(name) else Path(name).name


def is_hub_name(name: str) -> bool:
    """Returns whether a model's name is one that others can load; directories are this machine's."""
    return name.count("/") == 1 and not name.startswith((".", "~", "/")) and not Path(name).exists()


def _manifest(data: DataRecord) -> str:
    if data.manifest_sha256 is None:
        return "none beside the file"
    file = sibling(Path(data.source), ".manifest.json").name
    return f"`{file}` (sha256 `{data.manifest_sha256}`)"


def _results(record: RunRecord) -> str:
    if record.metrics is None or record.test is None:
        return "No held-out pairs were given."
    measured: dict[str, Estimate | None] = {
        name: getattr(record.metrics, name) for name in record.metrics.__dataclass_fields__
    }
    rows = [
        f"| {name} | {value.value:.4f} | {value.low:.4f} to {value.high:.4f} |"
        for name, value in measured.items()
        if value is not None
    ]
    return _RESULTS.format(rows="\n".join(rows), pairs=record.test.pairs)
