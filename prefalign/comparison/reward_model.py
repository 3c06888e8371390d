"""A reward model: a sequence classifier with one label, whose logit is the reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from prefalign.models.loading import best_device
from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer


@dataclass(frozen=True)
class RewardModel:
    """What scores a conversation.

    Attributes:
        model: the classifier, on the best device.
        tokenizer: with a chat template.
    """

    model: Any
    tokenizer: Any

    @classmethod
    def load(cls, name: str) -> RewardModel:
        """Returns the reward model called `name`: a directory or a hub name.

        Raises:
            InputError: there is none, it has no trained head of one label, or no chat template.
        """
        from transformers import AutoModelForSequenceClassification

        tokenizer = load_tokenizer(name)
        try:
            model, about = AutoModelForSequenceClassification.from_pretrained(
                name, dtype=torch.float32, output_loading_info=True
            )  # fmt: skip
        except (OSError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(
                f"cannot load the reward model {name}: {reason}",
                hint="a reward model is a sequence classifier with one label",
            ) from error
        untrained = sorted(about["missing_keys"])
        if untrained or model.config.num_labels != 1:
            why = (
                f"it has no weights for {', '.join(untrained)}"
                if untrained
                else f"it has {model.config.num_labels} labels"
            )
            raise InputError(
                f"{name}: no reward model: {why}",
                hint="a reward model is a sequence classifier with one label and a trained head; "
                "a language model can be asked with --judge",
            )
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id or tokenizer.eos_token_id
        return cls(model.to(best_device()).eval(), tokenizer)

    @torch.inference_mode()
    def reward(self, conversation: list[dict[str, str]]) -> float:
        """Returns the logit of a prompt with its completion."""
        ids = self.tokenizer.apply_chat_template(
            conversation, return_tensors="pt", return_dict=True
        )
        logits = self.model(input_ids=ids["input_ids"].to(self.model.device)).logits
        return float(logits[0, 0])
