"""TRL 1.16's DPOTrainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefdata.frame import messages
from prefdata.tokens.render import Rendered, render
from prefdata.tokens.trainers import (
    Build,
    Row,
    Seen,
    Settings,
    keep_end,
    keep_start,
    trainer,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@trainer("trl-dpo@1.16", truncations=("keep_start", "keep_end"))
def trl_dpo(tokenizer: PreTrainedTokenizerBase, settings: Settings) -> Build:
    """TRL's DPO, on rows in its conversational layout.

    - the prompt ends where it and the two whole conversations stop being the same tokens
    - each side is cut on its own; with keep_end the two sides lose different parts of the prompt
    - with keep_start a pair whose prompt alone fills max_length is dropped, without a word

    Source: trl/trainer/dpo_trainer.py, DPOTrainer._prepare_dataset and DataCollatorForPreference.
    """
    most = settings.max_length
    cut = keep_end if settings.truncation == "keep_end" else keep_start

    def build(row: Row) -> Seen:
        ids = rendered(tokenizer, row)
        seen = Seen(
            cut(ids.prompt_ids, ids.chosen_ids, most), cut(ids.prompt_ids, ids.rejected_ids, most)
        )
        if most is None or cut is keep_end or len(ids.prompt_ids) < most:
            return seen
        return seen._replace(dropped=f"the prompt alone has {len(ids.prompt_ids)} tokens")

    return build


def rendered(tokenizer: PreTrainedTokenizerBase, row: Row) -> Rendered:
    """Returns the ids of a canonical row before truncation."""
    prompt, chosen, rejected = (messages(row[side]) for side in ("prompt", "chosen", "rejected"))
    extra = row["tools"], row["chat_template_kwargs"]
    return render(tokenizer, prompt, chosen, rejected, *extra)
