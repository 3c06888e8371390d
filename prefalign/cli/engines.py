"""Say how a model's pairs will be computed: prompts shared, packed or padded, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import click

from prefalign.cli._options import device_option, precision_option, settle_libraries, trust_option
from prefdata.cli._options import form_option

if TYPE_CHECKING:
    from prefalign.engine.self_test import Verdict

_MEANING = {
    "shared": "each prompt and each completion computed once, nothing padded",
    "packed": "nothing padded; a prompt is computed with each of its completions",
    "padded": "a row for each prompt with a completion, padded to the longest",
}


@click.command()
@click.argument("model", metavar="MODEL")
@precision_option
@device_option
@trust_option
@form_option
def command(
    model: str,
    precision: Literal["auto", "fp32", "bf16"],
    device: Literal["auto", "cpu"],
    trust_remote_code: bool,
    form: str,
) -> None:
    """Try MODEL on made-up pairs, and say which layout gives the log-probs of sequences run alone.

    A run does the same with its own first batch, and takes the fastest layout that is exact. MODEL is
    a directory with weights, a .gguf file or a hub name.

    \b
    Examples:
      prefalign engines HuggingFaceTB/SmolLM2-135M-Instruct
      prefalign engines ./model --precision fp32 --format json
    """
    settle_libraries()
    import numpy as np

    from prefalign.config import Model
    from prefalign.data.dataset import PairDataset
    from prefalign.engine.made_up import made_up_pairs
    from prefalign.engine.self_test import choose_layout
    from prefalign.models.loading import best_device, load_model, resolve_precision

    place = best_device(device)
    kind = resolve_precision(precision, place)
    loaded = load_model(Model(name=model, trust_remote_code=trust_remote_code), kind).to(place)
    data = PairDataset(made_up_pairs(loaded.get_input_embeddings().num_embeddings))
    verdict = choose_layout(loaded, data, np.arange(len(data)), device=place, precision=kind)
    about = {
        "model": model,
        "architecture": type(loaded).__name__,
        "parameters": loaded.num_parameters(),
        "precision": kind,
        "device": place.type,
    }
    if form == "json":
        click.echo(json.dumps(about | _record(verdict), indent=2))
        return
    for line in _lines(about, verdict):
        click.echo(line)


def _record(verdict: Verdict) -> dict[str, Any]:
    """Returns the verdict; differences are in nats a token."""
    trials = [trial._asdict() for trial in verdict.trials]
    return {"layout": verdict.layout, "trials": trials}


def _lines(about: dict[str, Any], verdict: Verdict) -> Iterator[str]:
    yield (
        f"{about['model']}: {about['architecture']}, {about['parameters']:,} parameters,"
        f" {about['precision']} on {about['device']}"
    )
    yield f"{verdict.layout}: {_MEANING[verdict.layout]}"
    for trial in verdict.trials:
        off = "" if trial.difference is None else f"off by {trial.difference:.1e} nats a token"
        yield f"  {trial.layout:<8}{f'not used: {trial.reason}' if trial.reason else off}"
    yield "tried on made-up pairs; a run tries its own first batch"
