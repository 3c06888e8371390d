"""A judge: a language model that is asked which of two completions is the better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from prefalign.config import Model
from prefalign.models.loading import best_device, load_model, resolve_precision
from prefalign.models.tokenizer import tokenizer_of
from prefdata.errors import InputError

_QUESTION = """\
Here is a conversation, and two answers to it.

[Conversation]
{conversation}

[Answer A]
{first}

[Answer B]
{second}

Which answer is the better one: more helpful, correct and to the point? Length alone is no merit. \
Reply with one letter, A or B."""


@dataclass(frozen=True)
class Judge:
    """Who is asked.

    Attributes:
        model: a causal language model, on the best device.
        tokenizer: with a chat template.
        letters: the tokens of A and B.
    """

    model: Any
    tokenizer: Any
    letters: tuple[int, int]

    @classmethod
    def load(cls, name: str) -> Judge:
        """Returns the judge called `name`: a directory, a .gguf file or a hub name.

        Raises:
            InputError: there is none, it has no chat template, or no token for A and B.
        """
        block = Model(name=name)
        tokenizer, device = tokenizer_of(block), best_device()
        letters = [tokenizer.encode(letter, add_special_tokens=False) for letter in "AB"]
        if [len(ids) for ids in letters] != [1, 1]:
            raise InputError(
                f"{name}: writes A and B with more than one token, so its answer cannot be read",
                hint="take another judge",
            )
        model = load_model(block, resolve_precision("auto", device)).to(device).eval()
        return cls(model, tokenizer, (letters[0][0], letters[1][0]))

    @torch.inference_mode()
    def prefers_first(self, prompt: list[dict[str, str]], first: str, second: str) -> bool:
        """Returns whether A is the likelier answer, when `first` is A and `second` is B."""
        conversation = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in prompt)
        question = _QUESTION.format(conversation=conversation, first=first, second=second)
        ids = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        read = ids["input_ids"].to(self.model.device)
        logits = self.model(input_ids=read, logits_to_keep=1).logits[0, -1]
        likelier: bool = bool(logits[self.letters[0]] > logits[self.letters[1]])
        return likelier
