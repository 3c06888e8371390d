"""Experiment trackers that `output.report_to` may name: transformers starts them, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from prefdata.registry import did_you_mean

TRACKERS = {
    "azure_ml": ("azureml",),
    "clearml": ("clearml",),
    "codecarbon": ("codecarbon",),
    "comet_ml": ("comet_ml",),
    "dagshub": ("dagshub",),
    "dvclive": ("dvclive",),
    "flyte": ("flytekit",),
    "kubeflow": (),
    "mlflow": ("mlflow",),
    "neptune": ("neptune",),
    "swanlab": ("swanlab",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
}
"""The names that transformers knows, and the modules of which one has to be there."""

_PACKAGES = {"azure_ml": "azureml-mlflow", "flyte": "flytekit"}


def untrackable(names: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yields why each tracker that cannot be started cannot be, and what to do about it."""
    for name in names:
        modules = TRACKERS.get(name)
        if modules is None:
            meant = did_you_mean(name, list(TRACKERS)) or f"known: {', '.join(TRACKERS)}"
            yield f"'{name}' is no tracker that transformers knows", meant
        elif modules and not any(map(find_spec, modules)):
            yield f"{name} is not installed", f"pip install {_PACKAGES.get(name, name)}"
