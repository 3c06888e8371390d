"""Tokenizers that the token traps need: one small vocabulary under templates with known faults."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tiny import CHATML, write_tiny_tokenizer

_BEGIN = "{{ '<|im_start|>' + message['role'] + '\n' }}"
_LOOP = "{% for message in messages %}"
_CONTENT = "{{ message['content'] }}"
_END = "{{ '<|im_end|>\n' }}{% endfor %}"
_ASK = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
_NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
)
_AFTER_THOUGHT = (
    "{% if message['role'] == 'assistant' and '</think>' in message['content'] %}"
    "{{ message['content'].split('</think>')[-1] }}{% else %}" + _CONTENT + "{% endif %}"
)

TEMPLATES: dict[str, str | None] = {
    "chatml": CHATML,
    # Llama 3's and Gemma's templates
    "trims": _LOOP + _BEGIN + "{{ message['content'] | trim }}" + _END + _ASK,
    # DeepSeek's and Qwen 3's templates
    "deletes-thinking": _LOOP + _BEGIN + _AFTER_THOUGHT + _END + _ASK,
    # the generation prompt of DeepSeek-R1's distilled models
    "opens-thinking": _LOOP
    + _BEGIN
    + _CONTENT
    + _END
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}",
    # Gemma's template
    "no-system": _NO_SYSTEM + CHATML,
    # base models' templates, such as Vicuna's without its </s>
    "no-end": _LOOP + _BEGIN + _CONTENT + "{{ '\n' }}{% endfor %}" + _ASK,
    # unsloth#3228
    "two-ends": _LOOP + _BEGIN + _CONTENT + "{{ '<|im_end|><|im_end|>' }}{% endfor %}" + _ASK,
    # a template that writes the BOS token into a text that was given one
    "two-begins": "{{ bos_token + bos_token }}" + CHATML,
    "no-template": None,
}


def write_tokenizers(folder: Path) -> None:
    """Writes every tokenizer to a folder of its name, and `no-eos`, which has no end of sequence."""
    original = folder / "chatml"
    write_tiny_tokenizer(original)
    saved = {path.name: path.read_bytes() for path in original.iterdir()}
    config = json.loads(saved.pop("tokenizer_config.json"))
    saved.pop("chat_template.jinja", None)
    begins = {"bos_token": "<|endoftext|>"}
    for name, template in TEMPLATES.items():
        changed = config | (begins if name == "two-begins" else {})
        _write(folder / name, saved, changed, template)
    _write(folder / "no-eos", saved, config | {"eos_token": None}, CHATML)


def _write(
    folder: Path, files: dict[str, bytes], config: dict[str, object], template: str | None
) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
