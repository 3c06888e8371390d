"""What becomes of a trained model: merged with its adapters, described on a card, pushed to a hub."""
