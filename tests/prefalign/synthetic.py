"""A comparison of two made-up runs, for tests of what is shown; the numbers are measured, not typed."""

from __future__ import annotations

import numpy as np

from prefalign.comparison.record import (
    UNTOUCHED,
    Common,
    Comparison,
    HeldOut,
    HeldOutPoint,
    LossPoint,
    Made,
    Recipe,
    Run,
    Sample,
    Turn,
)
from prefalign.metrics import RESAMPLES, PairScores, contrast, summarise
from prefalign.records.run import Cost

PAIRS = 124


def _scores(random: np.random.Generator, start: PairScores, gain: float) -> PairScores:
    chosen = start.chosen_logps + random.normal(gain, 3, PAIRS)
    return start._replace(
        chosen_logps=chosen, rejected_logps=start.rejected_logps + random.normal(-gain, 3, PAIRS)
    )


def _run(
    name: str, method: dict[str, str | float], metrics: dict[str, object], shift: float
) -> Run:
    random = np.random.default_rng(int(10 * shift))
    steps = range(24)
    return Run(
        name=name,
        path=f"out/{name}",
        recipe=Recipe(
            method=method, engine="prefalign", learning_rate=2e-4, epochs=2, global_batch_size=16,
            lora_rank=16, precision="bf16",
        ),
        cost=Cost(
            steps=24,
            pairs_seen=384, tokens_seen=98304, flops=5.3e13, reference_flops=1.1e13, seconds=192.4,
            peak_memory_bytes=1_900_000_000, device="cpu", processes=1,
        ),
        losses=[
            LossPoint(pairs_seen=16 * (s + 1), loss=shift * (0.69 - 0.01 * s + random.normal(0, 0.03)))
            for s in steps
        ],
        held_out=[
            HeldOutPoint(
                pairs_seen=96 * n, accuracy_reference=0.5 + 0.03 * n * shift, drift_chosen=0.02 * n / shift,
                drift_rejected=-0.03 * n,
            )
            for n in range(5)
        ],
        **metrics,
    )  # fmt: skip


def comparison(names: tuple[str, str] = ("dpo", "orpo"), text: str = "Hi.") -> Comparison:
    """Returns a comparison of two runs; `text` is put wherever data or a model can write."""
    random = np.random.default_rng(0)
    base = PairScores(
        *-random.gamma(20, 2, (2, PAIRS)), *random.integers(5, 60, (2, PAIRS)).astype(float)
    )
    models = [_scores(random, base, gain) for gain in (0.9, 0.5)]
    prompts = random.integers(61, size=PAIRS)
    metrics = [
        {
            "metrics": summarise(model, base, prompts),
            "against_untouched": contrast(model, base, base, prompts),
            "against_best": contrast(model, models[0], base, prompts),
        }
        for model in models
    ]
    untouched = Run(
        name=UNTOUCHED,
        metrics=summarise(base, base, prompts),
    )  # fmt: skip
    return Comparison(
        common=Common(
            base_model="SmolLM2-135M-Instruct", base_model_digest="5f" * 16, train_source="train.parquet",
            train_sha256="ab" * 32, train_pairs=192, max_length=256, truncation="drop",
            token_fingerprint="cd" * 16,
        ),
        held_out=HeldOut(
            source="test.parquet", sha256="ef" * 32, token_fingerprint="da" * 16, pairs=PAIRS, prompts=61, longer_chosen=70,
            longer_rejected=50,
        ),
        runs=[
            untouched,
            _run(names[0], {"name": "dpo", "beta": 0.1}, metrics[0], 1.0),
            _run(names[1], {"name": "orpo", "lambda_": 0.1, "nll_over": "all"}, metrics[1], 2.4),
        ],
        remarks=["the runs were trained in different precisions: bf16, fp32"],
        samples=[
            Sample(
                id="0" * 32,
                prompt=[Turn(role="user", content="Rewrite this sentence so that it is shorter.\n\n" + text)],
                chosen=text,
                rejected="A longer one. " * 12,
                completions={UNTOUCHED: text, names[0]: "Shorter. " + text, names[1]: ""},
            )
        ],
        made=Made(
            command="prefalign compare out/dpo out/orpo --html page.html --samples 1",
            versions={"prefdata": "0.1.0", "torch": "2.13.0"},
            bootstrap_resamples=RESAMPLES,
            seed=0,
        ),
    )  # fmt: skip
