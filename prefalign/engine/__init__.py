"""From a batch of token ids to log-probs: the head, the batch, the reference."""
