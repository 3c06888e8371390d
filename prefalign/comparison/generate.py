"""Greedy completions of prompts: what a model writes, beside what it prefers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_NEW_TOKENS = 96


def complete(
    model: PreTrainedModel,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[str]:
    """Returns the greedy completion of each prompt, without special tokens.

    Args:
        model: a causal language model; it is left in evaluation mode.
        tokenizer: decodes, and knows the end and padding tokens.
        prompts: token ids, the generation prompt included; none may be empty.
        max_new_tokens: where a completion is cut if the model does not end it.
    """
    import torch

    ending = tokenizer.eos_token_id
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ending
    width = max(map(len, prompts))
    # Left padding: every prompt ends at the same place, where its completion starts.
    ids = torch.tensor([[padding] * (width - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    model.eval()
    with torch.inference_mode():
        written = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=ending,
            pad_token_id=padding,
        )
    return [
        str(text) for text in tokenizer.batch_decode(written[:, width:], skip_special_tokens=True)
    ]
