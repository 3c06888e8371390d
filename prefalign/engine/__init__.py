"""From pairs of token ids to log-probs: rows without padding, attention, the head, and their self-test."""
