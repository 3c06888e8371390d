"""Bytes in, files out: containers, the hub, atomic writes, and the manifest."""
