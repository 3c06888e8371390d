"""The pairs of a run: read, refused where they cannot be trained on, and handed out in global batches."""
