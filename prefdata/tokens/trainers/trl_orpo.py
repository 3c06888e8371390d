"""TRL 1.16's experimental ORPOTrainer."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from prefdata.errors import InputError
from prefdata.tokens.template import (
    PairTexts,
    apply_template,
    conversation,
    template_arguments,
)
from prefdata.tokens.trainers import Build, Part, Row, Seen, Settings, Side, trainer, whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DEFAULT_LENGTH = 512  # what a max_length of None becomes
_GENERATED = ("user", "tool")  # last roles after which a generation prompt is rendered


@trainer("trl-orpo@1.16", truncations=("keep_start",))
def trl_orpo(tokenizer: PreTrainedTokenizerBase, settings: Settings) -> Build:
    """TRL's experimental ORPO, on rows in its conversational layout.

    - tools never reach the template
    - a BOS is put before a prompt that does not begin with one, an EOS after a completion that does
      not end with one, also where the template ended the turn with its EOS and a line break
    - chosen and rejected may begin at different tokens
    - only completions are cut: a longer prompt stays whole, and its empty completions are kept
    - a prompt that is no start of the conversation by more than its last token stops the run

    Source: trl/experimental/orpo/orpo_trainer.py, tokenize_row and build_tokenized_answer;
    trl/data_utils.py, apply_chat_template; trl/experimental/utils.py, add_bos_token_if_needed.
    """
    most = _DEFAULT_LENGTH if settings.max_length is None else settings.max_length

    def build(row: Row) -> Seen:
        texts = _texts(tokenizer, row)
        chosen, rejected = (_answer(tokenizer, texts.prompt, text) for text in texts[1:])
        _refuse_apart(chosen.prompt, rejected.prompt)
        return Seen(_side(tokenizer, chosen, most), _side(tokenizer, rejected, most))

    return build


class _Tokens(NamedTuple):
    prompt: list[int]
    completion: list[int]


def _texts(tokenizer: PreTrainedTokenizerBase, row: Row) -> PairTexts:
    """Returns the prompt that both sides share character by character, and the two completions."""
    prompt, chosen, rejected = (
        conversation(row[side]) for side in ("prompt", "chosen", "rejected")
    )
    arguments = template_arguments(None, row["chat_template_kwargs"])
    ending, generation_prompt = _ending(prompt[-1]["role"] if prompt else "user")
    alone = apply_template(
        tokenizer, prompt, arguments | ending, generation_prompt=generation_prompt
    )
    sides = [apply_template(tokenizer, prompt + side, arguments) for side in (chosen, rejected)]
    for side in sides:
        alone = "".join(a for a, _ in takewhile(lambda ab: ab[0] == ab[1], zip(alone, side)))  # noqa: B905 - the shorter one ends it
    return PairTexts(alone, *(side[len(alone) :] for side in sides))


def _ending(last_role: str) -> tuple[dict[str, Any], bool]:
    """Returns the arguments for a prompt that ends with `last_role`, and if a turn is opened."""
    if last_role in _GENERATED:
        return {}, True
    if last_role == "assistant":
        return {"continue_final_message": True}, False
    raise InputError(f"Invalid role in the last message: {last_role}")


def _answer(tokenizer: PreTrainedTokenizerBase, prompt: str, answer: str) -> _Tokens:
    """Returns the ids of prompt + answer, divided after the prompt or one token before its end."""
    both, alone = (
        tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        for text in (prompt + answer, prompt)
    )
    if len(alone) > len(both):
        raise InputError("Prompt input ids and answer input ids should have the same length.")
    start = len(alone) if alone == both[: len(alone)] else len(alone) - 1
    return _Tokens(both[:start], both[start:])


def _refuse_apart(chosen: list[int], rejected: list[int]) -> None:
    different = sum(a != b for a, b in zip(chosen, rejected, strict=False))
    if different > 1 or abs(len(chosen) - len(rejected)) > 1:
        raise InputError(
            "Chosen and rejected prompt_input_ids might only differ on the last token due to "
            "tokenizer merge ops."
        )


def _side(tokenizer: PreTrainedTokenizerBase, tokens: _Tokens, most: int) -> Side:
    prompt, completion = tokens
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if bos is not None and prompt[:1] != [bos]:
        prompt = [bos, *prompt]
    if completion[-1:] != [eos]:
        completion = [*completion, eos]
    kept = min(len(completion), max(0, most - len(prompt)))
    return Side(whole(prompt), Part(completion, range(kept)))
