"""Models of known shapes with random weights."""

from __future__ import annotations

from typing import Any, NamedTuple

from transformers import LlamaConfig, PretrainedConfig, Qwen2Config


class Shape(NamedTuple):
    """A configuration, and whether it is trained by adapters."""

    config: PretrainedConfig
    lora: bool = False


def _llama(**sizes: Any) -> LlamaConfig:
    return LlamaConfig(max_position_embeddings=8192, **sizes)


def _qwen(**sizes: Any) -> Qwen2Config:
    return Qwen2Config(vocab_size=151936, max_position_embeddings=8192, **sizes)


SHAPES: dict[str, Shape] = {
    "tiny": Shape(
        _llama(vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
               num_attention_heads=4, num_key_value_heads=2)
    ),
    "cpu": Shape(
        _llama(vocab_size=16384, hidden_size=256, intermediate_size=768, num_hidden_layers=8,
               num_attention_heads=4, num_key_value_heads=2)
    ),
    "qwen2.5-0.5b": Shape(
        _qwen(hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
              num_key_value_heads=2, tie_word_embeddings=True)
    ),
    "qwen2.5-1.5b": Shape(
        _qwen(hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12,
              num_key_value_heads=2, tie_word_embeddings=True)
    ),
    "llama-3.2-3b": Shape(
        _llama(vocab_size=128256, hidden_size=3072, intermediate_size=8192, num_hidden_layers=28,
               num_attention_heads=24, num_key_value_heads=8, tie_word_embeddings=True)
    ),
    "llama-3-8b": Shape(
        _llama(vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
               num_attention_heads=32, num_key_value_heads=8),
        lora=True,
    ),
}  # fmt: skip
"""Sizes from the models' own configuration files; `tiny` and `cpu` are nobody's."""
