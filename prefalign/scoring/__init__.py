"""What models say about pairs: one after the other, or the reference's answers kept for every later run."""
