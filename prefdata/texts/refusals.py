"""Answers that decline to answer, by the way they begin."""

from __future__ import annotations

import polars as pl

_HEAD = 200  # characters of an answer that are looked at
_APOSTROPHE = r"['\x{2019}]"
_UNABLE = (
    rf"(?:can{_APOSTROPHE}?t|cannot|can not|won{_APOSTROPHE}?t|will not|am unable|{_APOSTROPHE}m unable"
    rf"|am not able|{_APOSTROPHE}m not able|am not comfortable|{_APOSTROPHE}m not comfortable|don{_APOSTROPHE}?t feel comfortable"
    rf"|do not feel comfortable|must decline|have to decline|am not going to|{_APOSTROPHE}m not going to"
    rf"|{_APOSTROPHE}d rather not|would rather not)"
)
_DO = (
    r"(?: \w+){0,2}? (?:help|assist|answer|provide|do that|do this|fulfill|comply|discuss|give|write"
    r"|create|generate|support|engage|share|offer|recommend|tell you how|talk about|participate"
    r"|continue|say|respond)"
)
REFUSAL = (
    rf"(?i)\A\W*(?:(?:(?:i{_APOSTROPHE}?m|i am) )?(?:(?:so|very|really) )?(?:sorry|afraid|unfortunately)"
    rf"[^!?\n]{{0,60}}?\bi ?{_UNABLE}\b"
    rf"|(?:as an? (?:\w+ )?(?:ai|language model)[^.!?\n]{{0,60}}?)?\bi ?{_UNABLE}{_DO}"
    rf"|i (?:must|have to) decline|no,? i (?:will not|won{_APOSTROPHE}?t|can{_APOSTROPHE}?t|cannot)\b"
    r"|(?:很?抱歉|对不起|作为[^。]{0,12}(?:AI|人工智能|语言模型))[^。]{0,30}(?:无法|不能))"
)


def refuses(text: pl.Expr) -> pl.Expr:
    """Returns true where an answer begins as a refusal, in English or Chinese."""
    return text.str.head(_HEAD).str.contains(REFUSAL)
