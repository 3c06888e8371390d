"""Preference training: DPO and ORPO on canonical pairs, on any number of processes.

Names are imported on first use, so `import prefalign` loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from prefdata import __version__

_HOME = {
    "RunConfig": "prefalign.config",
    "TokenStore": "prefalign.tokenise",
    "accelerate_preferences": "prefalign.plugin",
    "load_run": "prefalign.config",
    "tokenise": "prefalign.tokenise",
}

__all__ = [
    "RunConfig",
    "TokenStore",
    "__version__",
    "accelerate_preferences",
    "load_run",
    "tokenise",
]

if TYPE_CHECKING:
    from prefalign.config import RunConfig, load_run
    from prefalign.plugin import accelerate_preferences
    from prefalign.tokenise import TokenStore, tokenise


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'prefalign' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
