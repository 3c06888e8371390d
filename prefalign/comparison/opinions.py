"""What another model thinks of what the compared models write: a reward model, or a judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from prefalign.comparison.record import UNTOUCHED, Contest, Opinion, Sample
from prefalign.metrics import Estimate, bootstrap, wins
from prefalign.progress import Reporter

Messages: TypeAlias = list[dict[str, str]]

_SEED = 0


def reward_opinion(name: str, samples: Sequence[Sample], best: str, reporter: Reporter) -> Opinion:
    """Returns what a reward model thinks: the completion with the higher reward is the better.

    Args:
        name: of a sequence classifier with one label and a chat template.
        samples: what the compared models write.
        best: the trained run that the others are held against.
        reporter: who hears of progress.

    Raises:
        InputError: there is no such model, or it is no reward model.
    """
    from prefalign.comparison.reward_model import RewardModel

    model = RewardModel.load(name)
    models = list(samples[0].completions)
    reporter.begin(f"rewards by {name}", len(samples) * len(models), "completions")
    rewards: dict[str, list[float]] = {each: [] for each in models}
    for sample in samples:
        for each in models:
            rewards[each].append(model.reward([*_asked(sample), _said(sample, each)]))
        reporter.advance(len(models))
    contests = [
        _contest(first, second, wins(np.subtract(rewards[first], rewards[second])))
        for first, second in _contests(models, best)
    ]
    means = {each: float(np.mean(values)) for each, values in rewards.items()}
    return Opinion(
        kind="reward model", model=name, prompts=len(samples), contests=contests, rewards=means
    )


def judge_opinion(name: str, samples: Sequence[Sample], best: str, reporter: Reporter) -> Opinion:
    """Returns what a judge thinks, who is asked about every two completions in both orders.

    A completion is the better one if it is preferred in both; else it is a tie, as where the two are
    the same, about which nobody is asked. So a judge that always takes the first finds nothing but ties.

    Args:
        name: of a causal language model with a chat template.
        samples: what the compared models write.
        best: the trained run that the others are held against.
        reporter: who hears of progress.

    Raises:
        InputError: there is no such model, or it cannot answer with one token.
    """
    from prefalign.comparison.judge import Judge

    judge = Judge.load(name)
    pairs = list(_contests(list(samples[0].completions), best))
    reporter.begin(f"judged by {name}", len(samples) * len(pairs), "comparisons")
    contests, firsts = [], []
    undecided = 0
    for first, second in pairs:
        won = []
        for sample in samples:
            texts = sample.completions[first], sample.completions[second]
            verdict = 0.5
            if texts[0] != texts[1]:
                verdict, said_first = _both_orders(judge.prefers_first, sample, texts)
                firsts += said_first
                undecided += verdict == 0.5
            won.append(verdict)
            reporter.advance(1)
        contests.append(_contest(first, second, np.array(won)))
    return Opinion(
        kind="judge",
        model=name,
        prompts=len(samples),
        contests=contests,
        first_preferred=float(np.mean(firsts)) if firsts else None,
        undecided=undecided,
    )


def _both_orders(
    prefers_first: Callable[[Messages, str, str], bool], sample: Sample, texts: tuple[str, str]
) -> tuple[float, list[bool]]:
    """Returns 1, 0 or 1/2 for the first text, and whether each answer was for the one shown first."""
    prompt = _asked(sample)
    forward = prefers_first(prompt, texts[0], texts[1])
    backward = prefers_first(prompt, texts[1], texts[0])
    return (forward + (not backward)) / 2, [forward, backward]


def _contests(models: Sequence[str], best: str) -> Iterator[tuple[str, str]]:
    """Yields who is compared with whom."""
    trained = [each for each in models if each != UNTOUCHED]
    yield from ((each, UNTOUCHED) for each in trained)
    yield from ((best, each) for each in trained if each != best)


def _contest(name: str, against: str, won: NDArray[np.float64]) -> Contest:
    estimate = bootstrap(won[None], np.ones((1, len(won))), seed=_SEED)[0]
    assert isinstance(estimate, Estimate)  # there is a prompt
    return Contest(name=name, against=against, wins=estimate, ties=int((won == 0.5).sum()))


def _asked(sample: Sample) -> Messages:
    return [{"role": turn.role, "content": turn.content} for turn in sample.prompt]


def _said(sample: Sample, model: str) -> dict[str, str]:
    return {"role": "assistant", "content": sample.completions[model]}
