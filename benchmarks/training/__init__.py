"""Training steps of prefalign and of TRL's own trainers: same weights, same tokens, same global batches.

    python -m benchmarks.training                       # make bench-train
    python -m benchmarks.training --shape qwen2.5-0.5b --budget 450   # on a GPU: bf16

Every side is the real trainer, asked for the gradient of a global batch: TRL's `training_step` on what its
own collator makes of the pairs, ours on what our loader yields. No optimiser runs, which would cost all
alike. TRL runs as it comes and tuned, in micro-batches of several sizes: which is its best depends on the
machine and the lengths. Sides take turns within one process. On a CPU the figure is process CPU time on one thread, which
other work on the machine hardly touches; on a GPU it is seconds on the clock, synchronised.
"""
