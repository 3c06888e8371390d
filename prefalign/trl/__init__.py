"""TRL's trainers as engines of our runs: for each method a module that adapts one."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from prefalign.config import RunConfig
from prefalign.models.adapters import base_under
from prefdata.errors import ConfigError


def engine_for(config: RunConfig) -> ModuleType:
    """Returns the module that adapts TRL's trainer for the run's method.

    Raises:
        ConfigError: there is none, or the model is one that TRL's trainers do not take.
    """
    name = f"{__name__}.{config.method.name}"
    if find_spec(name) is None:
        problem = f"engine: there is no adapter to TRL for {config.method.name}"
        raise ConfigError([problem], source="engine trl", hint="use engine prefalign")
    if base_under(config.model.name) is not None:
        problem = (
            f"model.name: {config.model.name} holds adapters, and TRL's trainers get whole models"
        )
        raise ConfigError([problem], source="engine trl", hint="use engine prefalign")
    return import_module(name)
