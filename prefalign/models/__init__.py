"""Models and their tokenizers, by whatever name they are given, with the adapters that they are to have."""
