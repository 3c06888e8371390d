"""Contract with TRL 1.16: our rebuilt trainers read and score the tokens that TRL's own do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM
from trl import DPOConfig, DPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from prefdata.errors import ConfigError, PrefError
from prefdata.tokens import load_tokenizer
from prefdata.tokens.disagreement import disagreements
from prefdata.tokens.trainers import (
    MissingLibrary,
    Opened,
    Refused,
    Seen,
    open_trainer,
    trainer_names,
)
from prefdata.types import Message, Pair
from tests.prefdata.tokens.pairs import frame, pair, real_pairs, turns
from tests.prefdata.tokens.test_trl_parity import BOS, THINKING, TOOLS, trl_row
from tests.tiny import CHATML

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
PUBLIC = ["qwen2_5", "qwen3", "llama3", "gemma", "deepseekv3", "phi3"]
DPO, ORPO = "trl-dpo@1.16", "trl-orpo@1.16"
TOOL_LIST = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {}}}])

WRITTEN = [
    pair("What is the capital of France?", "Paris.", "London."),
    pair(turns("Hi", "Hello!", "Bake bread?"), "Mix flour.", "No."),
    pair("naïve 🤖 日本語 \u202eright to left", "e\u0301 and é", "\u00a0 \t\n x  "),
    pair("Say <|im_end|> aloud", "<|im_end|>", "<|im_start|>user\n"),
    pair("same start", "The capital of France", "The capital of Spain"),
    pair("long prompt " * 60, "short", "brief"),
    pair("question", "a long answer " * 40, "no"),
]


def tokenizer_with(model: Path, template: str, bos: str | None = "<|endoftext|>") -> Any:
    tokenizer = load_tokenizer(model)
    tokenizer.chat_template = template
    tokenizer.bos_token = bos
    return tokenizer


def rows_of(pairs: list[Pair]) -> list[dict[str, Any]]:
    return list(frame(*pairs).iter_rows(named=True))


def built(trainer: Opened, pairs: list[Pair]) -> tuple[list[Pair], dict[str, Seen]]:
    """Returns the pairs that a trainer does not refuse, and what it makes of them, by id."""
    kept, seen = [], {}
    for p, row in zip(pairs, rows_of(pairs), strict=True):
        found = trainer.see(row)
        if not isinstance(found, Refused):
            kept.append(p)
            seen[row["id"]] = found
    return kept, seen


def trl_rows(pairs: list[Pair]) -> Dataset:
    rows = [{**trl_row(p), "id": row["id"]} for p, row in zip(pairs, rows_of(pairs), strict=True)]
    return Dataset.from_list(rows)


def trl_dpo(model: Path, tokenizer: Any, pairs: list[Pair], out: Path, **options: Any) -> Any:
    args = DPOConfig(output_dir=str(out), use_cpu=True, bf16=False, report_to=[], **options)
    return DPOTrainer(
        model=str(model), args=args, train_dataset=trl_rows(pairs), processing_class=tokenizer
    )


def trl_orpo(model: Path, tokenizer: Any, pairs: list[Pair], out: Path, **options: Any) -> Any:
    args = ORPOConfig(output_dir=str(out), use_cpu=True, bf16=False, report_to=[], **options)
    return ORPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=args,
        train_dataset=trl_rows(pairs),
        processing_class=tokenizer,
    )


def dpo_sides(trainer: Any) -> Iterator[tuple[str, list[tuple[list[int], list[int]]]]]:
    """Yields each row's id and, for both sides, the tokens read and those scored."""
    for row in trainer.train_dataset:
        batch = trainer.data_collator([row])
        seen, scored = batch["attention_mask"].bool(), batch["completion_mask"].bool()
        ids = batch["input_ids"]
        yield row["id"], [(ids[i][seen[i]].tolist(), ids[i][scored[i]].tolist()) for i in (0, 1)]


def our_sides(seen: Seen) -> list[tuple[list[int], list[int]]]:
    return [(side.read, side.completion.read) for side in seen[:2]]


def template(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


CASES = [CHATML, BOS, THINKING, *map(template, PUBLIC)]
NAMES = ["chatml", "bos", "no-prefix", *PUBLIC]
# a template that writes the BOS needs one
BOS_CASES = [
    pytest.param(text, bos, id=f"{name}-{bos}")
    for name, text in zip(NAMES, CASES, strict=True)
    for bos in ("<|endoftext|>", None)
    if bos or "bos_token" not in text
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", CASES, ids=NAMES)
def test_dpo_reads_and_scores_what_trls_does(tiny_model: Path, tmp_path: Path, text: str) -> None:
    tokenizer = tokenizer_with(tiny_model, text)
    ours = open_trainer(DPO, tokenizer, max_length=128)
    pairs, seen = built(ours, WRITTEN + real_pairs())
    assert len(pairs) > 20
    theirs = dict(dpo_sides(trl_dpo(tiny_model, tokenizer, pairs, tmp_path, max_length=128)))
    assert theirs == {i: our_sides(one) for i, one in seen.items() if not one.dropped}
    assert any(one.dropped for one in seen.values())


@pytest.mark.filterwarnings("ignore")
def test_dpo_keeps_the_end_as_trls_does(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_with(tiny_model, CHATML)
    ours = open_trainer(DPO, tokenizer, max_length=64, truncation="keep_end")
    pairs, seen = built(ours, WRITTEN + real_pairs())
    options = {"max_length": 64, "truncation_mode": "keep_end"}
    theirs = dict(dpo_sides(trl_dpo(tiny_model, tokenizer, pairs, tmp_path, **options)))
    assert theirs == {i: our_sides(one) for i, one in seen.items()}


@pytest.mark.parametrize(("text", "bos"), BOS_CASES)
def test_orpo_reads_and_scores_what_trls_does(
    tiny_model: Path, tmp_path: Path, text: str, bos: str | None
) -> None:
    tokenizer = tokenizer_with(tiny_model, text, bos)
    pairs, seen = built(open_trainer(ORPO, tokenizer, max_length=128), WRITTEN + real_pairs())
    assert len(pairs) > 20
    trainer = trl_orpo(tiny_model, tokenizer, pairs, tmp_path, max_length=128)
    theirs = {
        row["id"]: [
            (row[f"{side}_input_ids"], [x for x in row[f"{side}_labels"] if x != -100])
            for side in ("chosen", "rejected")
        ]
        for row in trainer.train_dataset
    }
    assert theirs == {i: our_sides(one) for i, one in seen.items()}


@pytest.mark.parametrize(
    "refused",
    [
        pair((*turns("Hi"), Message("system", "Be brief.")), "Yes", "No"),
        pair((), "Yes", "No"),
    ],
    ids=["system-last", "no-prompt"],
)
def test_orpo_refuses_what_stops_trls(tiny_model: Path, tmp_path: Path, refused: Pair) -> None:
    tokenizer = tokenizer_with(tiny_model, CHATML)
    assert isinstance(open_trainer(ORPO, tokenizer).see(rows_of([refused])[0]), Refused)
    with pytest.raises((ValueError, KeyError, IndexError, TypeError)):
        trl_orpo(tiny_model, tokenizer, [refused], tmp_path)


def names_of(first: str, second: str, tokenizer: Any, p: Pair, **settings: Any) -> dict[str, str]:
    """Returns difference -> trainer of the row, if there is one."""
    trainers = [open_trainer(name, tokenizer, **settings) for name in (first, second)]
    found = list(disagreements(trainers[0], trainers[1], tokenizer, rows_of([p])))
    return {d.name: d.trainer for row in found for d in row.differences}


def test_every_difference_of_orpo_is_named(tiny_model: Path) -> None:
    plain = tokenizer_with(tiny_model, CHATML, None)
    assert names_of(DPO, ORPO, plain, WRITTEN[0]) == {"second-eos": ORPO}
    bos = tokenizer_with(tiny_model, CHATML)
    assert names_of(DPO, ORPO, bos, WRITTEN[0]) == {"extra-bos": ORPO, "second-eos": ORPO}
    tools = tokenizer_with(tiny_model, TOOLS, None)
    asked = pair("Weather?", "Rain", "Sun", tools=TOOL_LIST)
    assert names_of(DPO, ORPO, tools, asked) == {"tools-ignored": ORPO, "second-eos": ORPO}
    long = pair("long prompt " * 60, "short", "brief")
    assert names_of(DPO, ORPO, plain, long, max_length=32) == {
        "dropped": DPO,
        "empty-completion-kept": ORPO,
    }


def test_an_eos_of_the_template_at_the_very_end_is_not_doubled(tiny_model: Path) -> None:
    bare = CHATML.replace("'<|im_end|>' + '\n'", "'<|im_end|>'")
    tokenizer = tokenizer_with(tiny_model, bare, None)
    assert names_of(DPO, ORPO, tokenizer, WRITTEN[0]) == {}


def test_our_trainer_makes_dpos_tokens_and_drops_what_is_too_long(tiny_model: Path) -> None:
    tokenizer = tokenizer_with(tiny_model, CHATML)
    for p in WRITTEN + real_pairs():
        assert names_of("prefalign", DPO, tokenizer, p) == {}
    long = pair("question", "a long answer " * 40, "no")
    assert names_of("prefalign", DPO, tokenizer, long, max_length=32) == {"dropped": "prefalign"}


@pytest.mark.parametrize("truncation", ["drop", "keep_start", "keep_end"])
def test_our_trainer_keeps_what_the_token_store_keeps(tiny_model: Path, truncation: Any) -> None:
    from prefdata.tokens import render_frame, truncate

    tokenizer = tokenizer_with(tiny_model, CHATML)
    pairs = WRITTEN + real_pairs()
    ours = open_trainer("prefalign", tokenizer, max_length=48, truncation=truncation)
    left = truncate(render_frame(tokenizer, frame(*pairs)), 48, truncation)
    stored = {row.pop("id"): row for row in left.table.to_pylist()}
    _, seen = built(ours, pairs)
    trained = {i: one for i, one in seen.items() if not one.dropped}
    assert trained.keys() == stored.keys()
    for i, one in trained.items():
        parts = (one.chosen.prompt, one.chosen.completion, one.rejected.completion)
        assert [part.read for part in parts] == list(stored[i].values())
        assert one.rejected.prompt == one.chosen.prompt


def test_names_say_what_is_missing(tiny_model: Path) -> None:
    tokenizer = tokenizer_with(tiny_model, CHATML)
    with pytest.raises(PrefError) as unknown:
        open_trainer("trl-dpo", tokenizer)
    assert "trl-dpo@1.16" in str(unknown.value.hint)
    with pytest.raises(ConfigError, match="no truncation 'drop'"):
        open_trainer(ORPO, tokenizer, truncation="drop")
    with pytest.raises(ConfigError, match=r"is not trl-dpo@1\.16"):
        open_trainer(f"{DPO}:chatml", tokenizer)
    assert {DPO, ORPO, "prefalign"} <= set(trainer_names())


def test_the_hint_of_a_missing_library_installs_it() -> None:
    error = MissingLibrary("axolotl:chat_template.default", "axolotl", "not installed")
    assert "pip install axolotl" in str(error.hint)
