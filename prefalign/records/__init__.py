"""The files that a run leaves behind to be read by programs."""
