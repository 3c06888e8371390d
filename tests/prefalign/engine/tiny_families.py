"""A tiny random model of any causal-LM family of transformers, and how far its layout is off."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from prefalign.data.dataset import PairDataset
from prefalign.engine.collate import collate
from prefalign.engine.logps import score_tokens, segment_logps
from prefalign.engine.self_test import choose_layout
from prefdata.errors import InputError
from tests.prefalign.toys import micro_batch, token_table

Path: TypeAlias = Literal["shared", "packed", "padded", "refused", "not built"]

FAMILIES = tuple(sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))
VOCABULARY = 512  # that of `token_table`
WINDOW = 8  # tokens: shorter than the sequences, so that a missing window shows
MOST_PARAMETERS = 30_000_000

# what configurations call their sizes; each is set where a configuration has it
_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size": 64, "n_embd": 64, "d_model": 64, "embedding_size": 64, "word_embed_proj_dim": 64,
    "intermediate_size": 96, "ffn_dim": 96, "moe_intermediate_size": 32, "n_inner": 96,
    "shared_expert_intermediate_size": 32, "decoder_ffn_dim": 96, "encoder_ffn_dim": 96,
    "num_hidden_layers": 2, "n_layer": 2, "n_layers": 2, "num_layers": 2, "decoder_layers": 2,
    "encoder_layers": 2,
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "decoder_attention_heads": 4,
    "encoder_attention_heads": 4, "num_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "kv_lora_rank": 16, "q_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
    "v_head_dim": 16, "rotary_dim": 8, "hidden_size_per_layer_input": 16,
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "moe_num_experts": 4,
    "num_experts_per_tok": 2, "moe_k": 2, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
    "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_num_heads": 8,
    "mamba_head_dim": 16, "ssm_state_size": 8, "state_size": 8, "index_n_heads": 2,
    "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 16,
    "linear_value_head_dim": 16, "index_head_dim": 16, "index_topk": 4,
    "sliding_window": WINDOW, "window_size": WINDOW, "attention_chunk_size": WINDOW,
    "max_position_embeddings": 256, "n_positions": 256, "n_ctx": 256, "max_seq_len": 256,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "is_decoder": True,
}  # fmt: skip
_NEEDED = (
    "head_dim",
    "num_experts_per_tok",
)  # also set where the usual configuration leaves it to be worked out
_KINDS = {"lfm2": ["conv", "full_attention"]}  # usual ones that the configuration leaves out
_DROPOUTS = ("dropout", "attention_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop")


class Found(NamedTuple):
    """What is known of a family.

    Attributes:
        path: the layout its models get; `refused` where no way of batching is exact.
        reason: why it is not a faster one; empty for `shared`.
        logps: largest difference of the sums of log-probs to those of sequences run alone, relative.
        gradient: norm of the difference to the gradient of sequences run alone, relative.
    """

    path: Path
    reason: str = ""
    logps: float = 0.0
    gradient: float = 0.0


def examine_family(family: str) -> Found:
    """Returns what the engine makes of a tiny model of `family`."""
    data = PairDataset(token_table(4, seed=1, longest=3 * WINDOW, prompts=2, choices=3))
    try:
        model = tiny_model(family)
        truth = _alone(model, data)
    except Exception as error:  # noqa: BLE001  whatever transformers raises for sizes such as these
        return Found("not built", _last_line(error))
    return _examined(model, data, truth)


def tiny_model(family: str) -> Any:
    """Returns a model whose weights are large enough that attention to a wrong token shows."""
    kind = CONFIG_MAPPING[family]
    sizes = _tiny_sizes(kind)
    torch.manual_seed(0)
    with torch.device("meta"):
        parameters = AutoModelForCausalLM.from_config(kind(**sizes)).num_parameters()
    if parameters > MOST_PARAMETERS:
        raise ValueError("too large: its sizes are not where others have them")
    model = AutoModelForCausalLM.from_config(kind(**sizes)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += torch.randn_like(weight) * (0.1 if weight.ndim > 1 else 0.05)
    if hasattr(model, "set_default_language"):  # adapters of X-MOD
        model.set_default_language(model.config.languages[0])
    return model


def _tiny_sizes(kind: Any) -> dict[str, Any]:
    """Returns the sizes that configurations of `kind` have, and that one may set."""
    usual = kind()
    sizes = {
        name: size
        for name, size in _SIZES.items()
        if _is_set(usual, name) and not isinstance(getattr(kind, name, None), property)
    }
    if "kv_lora_rank" in sizes:  # multi-head latent attention: its heads have a size of their own
        sizes.pop("head_dim", None)
        sizes["num_key_value_heads"] = sizes["num_attention_heads"]
    kinds = _KINDS.get(kind.model_type) or list(dict.fromkeys(_layer_types(usual)))
    if len(kinds) > 1:  # a layer of each
        sizes |= {"layer_types": kinds, "num_hidden_layers": len(kinds)}
    return sizes | {name: 0.0 for name in _DROPOUTS if _is_set(usual, name)}


def _layer_types(usual: Any) -> list[str]:
    settable = not isinstance(getattr(type(usual), "layer_types", None), property)
    return usual.layer_types if settable and _is_set(usual, "layer_types") else []


def _is_set(usual: Any, name: str) -> bool:
    if name not in dir(usual):
        return False
    try:
        return getattr(usual, name) is not None or name in _NEEDED
    except AttributeError:  # it differs from layer to layer
        return False


def _examined(model: Any, data: PairDataset, truth: tuple[Tensor, Tensor]) -> Found:
    """Returns which layout a model gets, and how exact log-probs and gradients are in it."""
    score_tokens(model)
    places, cpu = np.arange(len(data)), torch.device("cpu")
    try:
        verdict = choose_layout(model, data, places, device=cpu, precision="fp32")
    except InputError as error:
        return Found("refused", error.message.partition("computed with: ")[2])
    sums = segment_logps(model, collate(data, micro_batch(data), verdict.layout))
    found = _with_gradient(model, torch.stack((sums.chosen, sums.rejected)))
    errors = ((ours - its).norm() / its.norm() for ours, its in zip(found, truth, strict=True))
    reasons = (trial.reason for trial in verdict.trials)
    return Found(verdict.layout, next(filter(None, reasons), ""), *map(float, errors))


def _alone(model: Any, data: PairDataset) -> tuple[Tensor, Tensor]:
    """Returns log-probs (2, P) and the gradient of plain forward passes, a sequence each."""
    sums = [[_sum(model, data, place, side) for place in range(len(data))] for side in (0, 1)]
    return _with_gradient(model, torch.stack([torch.stack(side) for side in sums]))


def _sum(model: Any, data: PairDataset, place: int, side: int) -> Tensor:
    prompt, completion = data.prompts[place], data.sides[side][place]
    ids = torch.from_numpy(np.concatenate((prompt, completion)).astype(np.int64))
    logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0]
    every = logits.log_softmax(-1)[len(prompt) - 1 :]
    return every.gather(-1, ids[len(prompt) :, None]).sum()


def _with_gradient(model: Any, logps: Tensor) -> tuple[Tensor, Tensor]:
    """Returns (2, P) log-probs and the gradient of a loss that neither side's cancels in."""
    model.zero_grad()
    (logps[0] - 0.7 * logps[1]).sum().backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return logps.detach(), torch.cat(gradients)


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
