"""How much of the head is computed at once; estimates of memory read it without loading torch."""

CHUNK = 512
"""Positions whose logits exist at once: 512 x 128k vocabulary in fp32 is 256 MiB."""
