"""Chat templates that come along, by name: for base models, which have none.

- `chatml` ends turns with `<|im_end|>`, which suits a tokenizer that has it as one token.
- `tulu` ends answers with the tokenizer's own end-of-sequence token, which suits any
  (github.com/allenai/open-instruct, whose begins with no beginning-of-sequence token; this one does).
"""

from __future__ import annotations

from importlib.resources import files


def template_names() -> list[str]:
    """Returns the names, sorted."""
    found = (file.name for file in files(__name__).iterdir())
    return sorted(name.removesuffix(".jinja") for name in found if name.endswith(".jinja"))


def shipped_template(name: str) -> str:
    """Returns the Jinja text of a template that comes along."""
    text = (files(__name__) / f"{name}.jinja").read_text(encoding="utf-8")
    return text.removesuffix("\n")
