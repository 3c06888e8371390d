"""TRL's own loss code on per-token log-probs: `DPOTrainer._compute_loss` without a model."""

from __future__ import annotations

from collections import defaultdict
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from trl import DPOTrainer

from prefalign.losses import PairLogps
from prefalign.losses.dpo import Dpo
from prefalign.trl.dpo import loss_values


class TokenLogps(NamedTuple):
    """B pairs as TRL has them: 2B right-padded rows, chosen first.

    Attributes:
        mask: (2B, T) 1 for completion tokens.
        policy, reference: (2B, T - 1) log-probs of tokens 1 to T - 1, zero outside completions.
        log_sum_sq: (2B, T - 1) log of the policy's sum of squared probabilities.
    """

    mask: Tensor
    policy: Tensor
    reference: Tensor
    log_sum_sq: Tensor


def random_pairs(
    pairs: int, dtype: torch.dtype = torch.float64, *, seed: int = 0, width: int = 14
) -> TokenLogps:
    """Returns random log-probs of completions of 1 to width - 2 tokens, the first pair one token each."""
    generator = torch.Generator().manual_seed(seed)
    rows = 2 * pairs
    prompts = torch.randint(1, 4, (rows, 1), generator=generator)
    lengths = torch.randint(1, width - 4, (rows, 1), generator=generator)
    lengths[[0, pairs]] = 1
    places = torch.arange(width)[None]
    mask = ((places >= prompts) & (places < prompts + lengths)).long()
    scored = mask[:, 1:]

    def draw(scale: float) -> Tensor:
        drawn = torch.rand(rows, width - 1, generator=generator, dtype=torch.float64)
        return (-scale * drawn - 1e-3).to(dtype) * scored

    return TokenLogps(mask, draw(3.0), draw(3.0), draw(2.0))


def trl_loss(tokens: TokenLogps, params: Dpo) -> Tensor:
    """Returns () what TRL's trainer would return for a batch with these log-probs."""
    values = loss_values(params)
    outputs = _outputs(tokens.policy, tokens.log_sum_sq)
    reference = _outputs(tokens.reference, tokens.log_sum_sq)
    model = nn.Module()
    model.is_gradient_checkpointing = False
    trainer: Any = SimpleNamespace(
        model=model,
        ref_model=lambda **_: reference,
        accelerator=SimpleNamespace(
            device="cpu", gather=_same, gather_for_metrics=_same, autocast=nullcontext
        ),
        args=SimpleNamespace(
            gradient_checkpointing_kwargs=None, discopop_tau=values["discopop_tau"]
        ),
        aux_loss_enabled=False,
        precompute_ref_logps=False,
        loss_types=values["loss_type"],
        _metrics={"train": defaultdict(list)},
        _total_train_tokens=0,
        _tp_size=1,
        **{name: value for name, value in values.items() if name not in ("loss_type",)},
    )
    inputs = {
        "input_ids": torch.zeros_like(tokens.mask),
        "attention_mask": torch.ones_like(tokens.mask),
        "completion_mask": tokens.mask,
    }
    loss: Tensor = DPOTrainer._compute_loss(trainer, lambda **_: outputs, inputs, False)
    return loss


def pair_logps(tokens: TokenLogps) -> PairLogps:
    """Returns the same batch as our losses see it, with everything that a loss may need."""
    scored = tokens.mask[:, 1:]
    counts = scored.sum(1)
    shared = torch.minimum(*counts.chunk(2)).repeat(2)[:, None]
    tail = (scored.cumsum(1) > shared) * scored

    def sides(values: Tensor) -> tuple[Tensor, Tensor]:
        chosen, rejected = values.sum(1).chunk(2)
        return chosen, rejected

    return PairLogps(
        *sides(tokens.policy),
        *counts.chunk(2),
        *sides(tokens.reference),
        None,
        *sides(tokens.policy * tail),
        *sides(tokens.reference * tail),
        *sides(tokens.log_sum_sq),
    )


def _outputs(log_probs: Tensor, log_sum_sq: Tensor) -> SimpleNamespace:
    zeros = torch.zeros_like(log_probs)
    return SimpleNamespace(
        log_probs=log_probs,
        log_sum_sq_probs=log_sum_sq,
        entropy=zeros,
        mean_logits=zeros,
        is_top1=zeros.bool(),
    )


def _same(value: Tensor) -> Tensor:
    return value
