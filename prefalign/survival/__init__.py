"""What a run survives, and how it ends: whole checkpoints, signals, damage, and processes that die."""
