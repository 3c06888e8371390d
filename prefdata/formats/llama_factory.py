"""LLaMA-Factory's sharegpt ranking rows."""

from __future__ import annotations

from collections.abc import Iterator

from prefdata.columns import pair_context
from prefdata.formats import Options, Record, fields, given, layout
from prefdata.messages import by_assistant, conversation, field, message
from prefdata.types import Messages, Pair


@layout(
    "llama-factory-sharegpt",
    recognise=given(fields(conversations=list, chosen=dict, rejected=dict), "chosen", "rejected"),
)
def llama_factory_sharegpt(record: Record, _options: Options) -> Iterator[Pair]:
    """LLaMA-Factory sharegpt ranking: `conversations` and one message for each side.

    Sample:
        {"conversations": [{"from": "human", "value": "What colour is the sky?"}],
         "chosen": {"from": "gpt", "value": "Blue."},
         "rejected": {"from": "gpt", "value": "Green."},
         "system": "", "tools": "", "images": []}

    `system` becomes the first message; `tools` is JSON text; `images` are references, kept in order.

    Traps:
    - each side is exactly one message, an object and not a list
    - empty `system`, `tools` and `images` mean that there are none
    - a `system` beside a system message that says something else is set aside: two-system-prompts

    Source: LLaMA-Factory, data/README.md, "Sharegpt format, preference dataset" (ranking: true).
    """
    prompt = conversation(field(record, "conversations"), "$.conversations")
    yield Pair(
        chosen=_side(record, "chosen"),
        rejected=_side(record, "rejected"),
        **pair_context(record, prompt, "conversations", "chosen", "rejected"),
    )


def _side(record: Record, key: str) -> Messages:
    return by_assistant((message(field(record, key), f"$.{key}"),), f"$.{key}")
