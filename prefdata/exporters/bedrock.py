"""Rows for preference tuning of Amazon Nova on Bedrock and SageMaker."""

from __future__ import annotations

from collections.abc import Iterator

from prefdata.exporters import Row, exporter
from prefdata.types import Messages, Pair
from prefdata.writing.chat import only_text, split_system
from prefdata.writing.limits import (
    ALTERNATION,
    EMPTY_TEXT,
    ENDS_WITHOUT_USER,
    LATE_SYSTEM,
    ONE_MESSAGE,
    TEXT_ONLY,
    roles,
)


@exporter(
    "bedrock",
    reads_back="bedrock",
    limits=(
        roles("system", "user", "assistant"),
        *(ONE_MESSAGE, ENDS_WITHOUT_USER, ALTERNATION, LATE_SYSTEM, EMPTY_TEXT),
        *TEXT_ONLY,
    ),
)
def bedrock(pair: Pair, _pair_id: str) -> Iterator[Row]:
    """Amazon Nova on Bedrock and SageMaker: a conversation whose last turn has two candidates.

    Sample:
        {"schemaVersion": "bedrock-conversation-2024", "system": [{"text": "Be brief."}],
         "messages": [
           {"role": "user", "content": [{"text": "How cold is it?"}]},
           {"role": "assistant", "candidates": [
             {"content": [{"text": "12 degrees."}], "preferenceLabel": "preferred"},
             {"content": [{"text": "No idea."}], "preferenceLabel": "non-preferred"}]}]}

    Traps:
    - user and assistant alternate, the user first; no text may be empty
    - images have to lie in S3 as blocks of their message, which this exporter does not write

    Source: Amazon Nova user guide, "Direct Preference Optimization (DPO)", data format requirements.
    """
    system, prompt = split_system(pair.prompt)
    yield {
        "schemaVersion": "bedrock-conversation-2024",
        **({"system": [{"text": system}]} if system is not None else {}),
        "messages": [
            *({"role": m.role, "content": [{"text": m.content}]} for m in prompt),
            {
                "role": "assistant",
                "candidates": [
                    _candidate(pair.chosen, "preferred"),
                    _candidate(pair.rejected, "non-preferred"),
                ],
            },
        ],
    }


def _candidate(completion: Messages, label: str) -> Row:
    return {"content": [{"text": only_text(completion)}], "preferenceLabel": label}
