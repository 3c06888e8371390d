r"""A text was decoded as another encoding than it was written in.

## What it does
Finds pairs with mojibake in any message, such as `Ã©` for `é` and `â€™` for an apostrophe: where
`ftfy` says that the characters do not belong together, and knows what they were.

## Why is this bad?
The model learns to write it, and spends several tokens on each broken character. When only one of
the models that were compared, or one source, has it, it gives the label away.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Itâ€™s blue.", "rejected": "Seven."}
```

## Fix
None. Read the source again in its encoding, or mend its texts with `ftfy.fix_encoding`.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import Evidence, set_rule
from prefdata.texts.encoding import mended
from prefdata.texts.messages import described, texts_with

# What the bytes of a UTF-8 sequence look like when read as Latin-1 or Windows-1252 (the first one is
# a letter, the next one mostly a sign), or as Windows-1251, Windows-1250 or Mac Roman.
NEXT = r"\x{80}-\x{BF}" + bytes(range(0x80, 0xC0)).decode("cp1252", "ignore")
SUSPECT = (
    rf"[\x{{80}}-\x{{9F}}]|[\x{{C2}}-\x{{F4}}][{NEXT}]"
    r"|(?:[\x{420}\x{421}][^\x00-\x7F]){2}|[ĂĹÄ√][^\x00-\x7F]"
)


@set_rule("PD605", "mojibake", level="warning")
def mojibake(data: Evidence) -> pl.DataFrame:
    """Returns the pairs with a text that ftfy can mend."""
    return described(texts_with(data.pairs, pl.col("text").str.contains(SUSPECT)), _broken)


def _broken(text: str) -> str | None:
    repair = mended(text)
    return f'holds "{repair.broken}", which was "{repair.right}"' if repair else None
