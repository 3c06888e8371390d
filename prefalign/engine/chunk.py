"""How much of the head is computed at once; estimates of memory read it without loading torch."""

LOGITS_BYTES = 256 * 2**20
"""Of the logits that exist at once, in fp32: 512 positions of a vocabulary of 128k."""
