"""Tokenizers by directory, hub name or GGUF file, refused early where they cannot render a chat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from prefdata.errors import InputError, MissingExtra
from prefdata.tokens.templates import shipped_template, template_names

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CODE_OF_ITS_OWN = (
    "it comes with Python code of its own, which runs only if you ask for it: read the .py files, then "
    "set model.trust_remote_code: true in the run file; prefdata's commands never run it"
)
_TEMPLATE_FILES = (".jinja", ".jinja2", ".j2", ".txt")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")


def load_tokenizer(
    name: str | Path, *, trust_remote_code: bool = False, chat_template: str | Path | None = None
) -> PreTrainedTokenizerBase:
    """Returns the tokenizer called `name`, which has a chat template and an end-of-sequence token.

    Args:
        name: a directory, a `.gguf` file, a directory whose only tokenizer is one `.gguf` file, or
            the name of a model on the hub (looked up in the local cache when offline).
        trust_remote_code: run Python code that comes with the tokenizer.
        chat_template: to use instead of the tokenizer's own: a Jinja file, the name of a template that
            comes along (see `prefdata.tokens.templates`), or that of a tokenizer to take it from.

    Raises:
        InputError: there is no such tokenizer or template, or it has no template or no EOS token.
        MissingExtra: transformers is not installed.
    """
    source, options = _locate(str(name))
    tokenizer = _load(source, trust_remote_code=trust_remote_code, **options)
    if chat_template:
        tokenizer.chat_template = _template(chat_template)
    if not tokenizer.chat_template:
        raise InputError(
            f"the tokenizer of {name} has no chat template, so conversations cannot be rendered",
            hint="a base model needs one chosen: --chat-template FILE, or model.chat_template in a run "
            f"file; it may be a Jinja file, a model to take it from, or {' or '.join(template_names())}",
        )
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"the tokenizer of {name} has no end-of-sequence token",
            hint="set eos_token in its tokenizer_config.json",
        )
    return tokenizer


def _template(wanted: str | Path) -> str:
    """Returns the template that is meant: one that comes along, a file's, or another tokenizer's."""
    name = str(wanted)
    if name in template_names():
        return shipped_template(name)
    path = Path(name).expanduser()
    if path.is_file() or path.suffix in _TEMPLATE_FILES or not isinstance(wanted, str):
        return _read_template(path)
    source, options = _locate(name)
    template = _load(source, trust_remote_code=False, **options).chat_template
    if not template:
        raise InputError(
            f"the tokenizer of {name} has no chat template to take",
            hint=f"give a Jinja file, an instruct model, or {' or '.join(template_names())}",
        )
    return str(template)


def _read_template(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(f"{path}: cannot read the chat template: {reason}") from error


def _locate(name: str) -> tuple[str, dict[str, Any]]:
    """Returns what transformers should load, and with which options."""
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix != ".gguf":
            raise InputError(
                f"{name}: not a tokenizer", hint="give a directory, a .gguf file or a hub name"
            )
        return str(path.parent), {"gguf_file": path.name}
    if path.is_dir():
        return str(path), _directory_options(path)
    if name.startswith(("/", "./", "../", "~")) or path.suffix == ".gguf":
        raise InputError(f"{name}: no such file or directory")
    return name, {}


def _directory_options(directory: Path) -> dict[str, Any]:
    if any((directory / file).exists() for file in _TOKENIZER_FILES):
        return {}
    found = sorted(path.name for path in directory.glob("*.gguf"))
    if len(found) == 1:
        return {"gguf_file": found[0]}
    if found:
        raise InputError(
            f"{directory}: holds {len(found)} GGUF files: {', '.join(found)}",
            hint=f"name one of them: {directory / found[0]}",
        )
    raise InputError(
        f"{directory}: holds no tokenizer",
        hint=f"expected one of {', '.join(_TOKENIZER_FILES)} or a .gguf file",
    )


def _load(source: str, **options: Any) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtra("rendering tokens", "train") from error
    try:
        return AutoTokenizer.from_pretrained(source, **options)
    # transformers, huggingface_hub and tokenizers raise unrelated types, plain Exception among them
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"cannot load the tokenizer of {source}: {reason}", hint=_hint(source, reason)
        ) from error


def _hint(source: str, reason: str) -> str | None:
    if "custom code" in reason:
        return CODE_OF_ITS_OWN
    if Path(source).is_dir():
        return None
    return (
        f"'{source}' is no directory here, so it was looked up on the hub; check the spelling, or "
        "give the path of a downloaded model (HF_HUB_OFFLINE=1 looks in the local cache only)"
    )


def generation_stops(tokenizer: PreTrainedTokenizerBase) -> list[int] | None:
    """Returns the token ids at which generation stops by the model's generation_config.json.

    None where there is no such file, or it says nothing of an end.
    """
    from transformers.utils import cached_file

    try:
        path = cached_file(tokenizer.name_or_path, "generation_config.json")
        stops = json.loads(Path(str(path)).read_text(encoding="utf-8")).get("eos_token_id")
    except (OSError, ValueError):
        return None
    return [stops] if isinstance(stops, int) else stops


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Returns the texts that the tokenizer reads as control tokens wherever they stand."""
    added = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
    return sorted({*tokenizer.all_special_tokens, *added})


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Returns a hash of all that decides token ids: vocabulary, rules, special tokens, template."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = backend.to_str() if backend is not None else sorted(tokenizer.get_vocab().items())
    parts = [type(tokenizer).__name__, rules, tokenizer.special_tokens_map, tokenizer.chat_template]
    return xxhash.xxh3_128_hexdigest(json.dumps(parts, sort_keys=True, default=str).encode())
