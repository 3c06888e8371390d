"""Frame to frame: what is kept, what is removed, and why; nothing is changed in a row."""
