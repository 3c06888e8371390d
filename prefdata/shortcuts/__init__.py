"""Shortcuts: how well the label of a pair can be told without understanding either completion."""
