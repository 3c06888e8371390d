"""A small grid of runs over a few settings, on the same tokens and reference log-probs."""
