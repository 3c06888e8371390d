"""Tokenizers without torch, in a process that runs no model: seconds sooner.

transformers imports torch wherever it finds it, also for a tokenizer, and what it has found it remembers.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from pathlib import Path

from prefalign.config import Model


def forgo_torch(model: Model) -> None:
    """Imports the tokenizers of transformers as where torch is not installed.

    Only for a process that runs no model afterwards. Does nothing where torch is loaded already, or
    where the tokenizer may need it: one in a GGUF file, or one with code of its own.

    Args:
        model: whose tokenizer will be loaded.
    """
    if "torch" in sys.modules or model.trust_remote_code or _is_gguf(model.name):
        return
    sys.modules["torch"] = None  # type: ignore[assignment] # what Python takes for not installed
    advice = logging.getLogger("transformers")
    advice.addFilter(_is_no_advice)
    try:
        import_module("transformers").AutoTokenizer  # noqa: B018 - it is imported when it is asked for
    except ImportError:
        return  # whoever loads the tokenizer says what is missing
    finally:
        advice.removeFilter(_is_no_advice)
        del sys.modules["torch"]


def _is_no_advice(record: logging.LogRecord) -> bool:
    """Keeps back that models cannot be run without torch, which nobody wants to here."""
    return "PyTorch was not found" not in record.msg


def _is_gguf(name: str) -> bool:
    path = Path(name)
    return path.suffix == ".gguf" or (path.is_dir() and not (path / "tokenizer.json").exists())
