"""Rows as JSON: every token id, and the stretches of text that text and page show."""

from __future__ import annotations

import msgspec

from prefdata.render.tokens import ComparisonView, TokenView


def as_json(view: TokenView | ComparisonView) -> str:
    """Returns a view as JSON, all its rows and long texts included."""
    plain = msgspec.to_builtins(view, enc_hook=str)
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n"
