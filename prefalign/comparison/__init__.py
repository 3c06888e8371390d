"""What runs are compared on: the models of finished runs, their held-out pairs, their samples."""
