"""What Axolotl's DPO strategies do with a trap, and TRL, to which Axolotl hands what they make.

The strategy is `chat_template.default`, and `chat_template.argilla_chat` where a file has no prompt, with
the tokenizer's own template. Axolotl pins an older TRL than the one that trains here.
"""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import traps_trl
from benchmarks.traps_sides import Observed
from tests.traps.corpus import Trap


def warm_up() -> None:
    """Imports what every trap needs."""
    for name in ("axolotl.prompt_strategies.dpo.chat_template", "axolotl.utils.dict"):
        importlib.import_module(name)
    traps_trl.warm_up()


def observe(trap: Trap, folder: Path) -> Observed:
    """Trains on a trap's file for one step, as `benchmarks.traps_trl.observe` does."""
    return traps_trl.observe(trap, folder, prepare=partial(_rendered, folder / trap.tokenizer))


def _rendered(tokenizer: Path, data: Any) -> Any:
    """Returns a dataset as Axolotl's strategy renders it."""
    from axolotl.prompt_strategies.dpo import chat_template
    from axolotl.utils.dict import DictDefault
    from transformers import AutoTokenizer

    has_prompt = "prompt" in data.column_names
    strategy = chat_template.default if has_prompt else chat_template.argilla_chat
    fields = {"field_messages": "prompt"} if has_prompt else {}
    source = DictDefault({"type": "chat_template", "chat_template": "tokenizer_default", **fields})
    cfg = DictDefault({"chat_template": "tokenizer_default", "datasets": [source]})
    transform, options = strategy(cfg)
    using = {"tokenizer": AutoTokenizer.from_pretrained(tokenizer)}
    return data.map(transform, fn_kwargs=using, **options)
