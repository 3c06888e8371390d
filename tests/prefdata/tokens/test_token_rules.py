"""Token rules on the templates that people train with: where each speaks, and where it is silent."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from datasets import Dataset
from msgspec.structs import replace
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer

from prefdata.checks import RULES
from prefdata.lint import lint
from prefdata.tokens import measure_pairs, render_frame
from prefdata.types import Message, Origin, Pair
from tests.prefdata.tokens.families import NAMES, end_of_turn, special_texts, tokenizer_of
from tests.prefdata.tokens.pairs import frame, pair, real_pairs, turns
from tests.prefdata.tokens.test_trl_parity import trl_row

MAX_LENGTH = 256
TOKEN_RULES = [rule.name for rule in RULES if rule.needs == "tokens"]
WORDS = " ".join(f"wave {i} that rises and wave {i} that falls," for i in range(60))
TOOLS = [{"type": "function", "function": {"name": "f", "description": "F.", "parameters": {}}}]
CALL = [{"type": "function", "function": {"name": "f", "arguments": '{"city": "Rome"}'}}]

ALL = set(NAMES)
DEEPSEEK = {"deepseekv3", "deepseek_r1_distill"}
TRIMMING = {"llama3", "gemma"}


def rows_of(tokenizer: PreTrainedTokenizerBase) -> dict[str, Pair]:
    """One pair for each thing that can go wrong."""
    end, call = end_of_turn(tokenizer), Message("assistant", None, tool_calls=json.dumps(CALL))
    thinking = Message("assistant", "Blue.", thinking="Seas are blue.")
    both = Message("assistant", "Let me look.", tool_calls=json.dumps(CALL))
    return {
        "ordinary": pair("Name a colour.", "Blue.", "Seven."),
        "several turns": pair(turns("Hi", "Hello!", "Bread?"), "Mix flour.", "No."),
        "long prompt": pair(WORDS, "Blue.", "Seven."),
        "long answer": pair("Name a wave.", WORDS, "Seven."),
        "alike until cut": pair("Name a wave.", WORDS + "one", WORDS + "two"),
        "thinking": pair("Name a colour.", (thinking,), "Seven."),
        "same but for a name": pair(
            "Name one.", (Message("assistant", "Blue.", name="A"),), "Blue."
        ),
        "line breaks first": pair("Name a colour.", "\n\nBlue.", "\n\nSeven."),
        "white space": pair("Name a colour.", "Blue. ", "Seven."),
        "thinks in text": pair("Name one.", "<think>\nSea.\n</think>\n\nBlue.", "Seven."),
        "thinks on one line": pair("Name one.", "<think>Sea.</think>Blue.", "Seven."),
        "opens a thought": pair("Name one.", "<think>\nSea.", "<think>\nSky."),
        "call": pair("Rain?", (call,), (call, Message("tool", "Sun"))),
        "call and text": pair("Rain?", (both,), "No."),
        "control token": pair(f"What is {end}?", "An end.", "No."),
        "ends itself": pair("Name a colour.", f"Blue.{end}", "Seven."),
        "begins itself": pair(
            turns("Hi", system=f"{tokenizer.bos_token}Be brief."), "Blue.", "Seven."
        ),
        "tools": pair("Rain?", "Sun.", "No.", tools=json.dumps(TOOLS)),
        "no prompt": pair((), "Blue.", "Seven."),
        "system": pair(turns("Hi", system="Be brief."), "Blue.", "Seven."),
    }


# rule -> row that triggers it -> the templates on which it does
SPEAKS: dict[str, dict[str, set[str]]] = {
    "prompt-fills-max-length": {"long prompt": ALL},
    "completion-truncated": {"long answer": ALL},
    "identical-after-truncation": {"alike until cut": ALL},
    "identical-after-rendering": {"same but for a name": ALL},
    "unstable-template-prefix": {
        "ordinary": DEEPSEEK,
        "line breaks first": {"smollm2", "qwen2_5"} | DEEPSEEK,
    },
    "template-rewrites-completion": {
        "thinking": ALL - {"qwen3"},
        "white space": TRIMMING,
        "thinks in text": DEEPSEEK,
        "thinks on one line": {"qwen3"} | DEEPSEEK,
        "call and text": ALL - {"qwen3", "deepseekv3"},
    },
    "special-token-in-text": {"control token": ALL, "ends itself": ALL},
    "doubled-bos": {"begins itself": DEEPSEEK},
    "doubled-eos": {"ends itself": ALL},
    "tools-ignored": {"tools": ALL - {"qwen2_5", "qwen3"}},
    "refused-by-template": {"no prompt": ALL, "system": {"gemma"}},
}
# rule -> a row on which it is silent
SILENT = dict.fromkeys(TOKEN_RULES, "ordinary") | {"unstable-template-prefix": "opens a thought"}


@pytest.fixture(scope="module", params=NAMES)
def family(request: pytest.FixtureRequest) -> tuple[str, PreTrainedTokenizerBase]:
    return request.param, tokenizer_of(request.param)


@pytest.fixture(scope="module")
def found(family: tuple[str, PreTrainedTokenizerBase]) -> dict[str, set[str]]:
    """Rule -> names of the rows that it finds."""
    return findings(family[1], rows_of(family[1]))


def findings(tokenizer: PreTrainedTokenizerBase, rows: dict[str, Pair]) -> dict[str, set[str]]:
    names = list(rows)
    pairs = frame(
        *(replace(p, origin=Origin("test", "t.jsonl", i)) for i, p in enumerate(rows.values()))
    )
    tokens = measure_pairs(tokenizer, pairs, MAX_LENGTH)
    table = lint(pairs, select=TOKEN_RULES, tokens=tokens).frame
    by_rule = {rule: table.filter(name=rule)["row"].to_list() for rule in TOKEN_RULES}
    return {rule: {names[i] for i in at if i is not None} for rule, at in by_rule.items()}


@pytest.mark.parametrize("rule", SPEAKS)
def test_speaks_on_these_rows_of_these_templates(
    rule: str, family: tuple[str, PreTrainedTokenizerBase], found: dict[str, set[str]]
) -> None:
    expected = {row for row, families in SPEAKS[rule].items() if family[0] in families}
    assert expected == found[rule] & SPEAKS[rule].keys()
    assert SILENT[rule] not in found[rule]


def test_a_base_model_stops_at_another_token_than_its_template_writes(
    family: tuple[str, PreTrainedTokenizerBase], tmp_path: Path
) -> None:
    _, tokenizer = family
    rows = {"ordinary": rows_of(tokenizer)["ordinary"]}
    assert findings(tokenizer, rows)["missing-eos"] == set()
    tokenizer.save_pretrained(tmp_path)
    other = next(token for token in special_texts(tokenizer) if token != end_of_turn(tokenizer))
    base = AutoTokenizer.from_pretrained(tmp_path, eos_token=other)
    assert findings(base, rows)["missing-eos"] == set(), "nobody says where the model stops"
    stops = tmp_path / "generation_config.json"
    stops.write_text(json.dumps({"eos_token_id": base.eos_token_id}))
    assert findings(base, rows)["missing-eos"] == {"ordinary"}
    ids = [base.eos_token_id, base.convert_tokens_to_ids(end_of_turn(tokenizer))]
    stops.write_text(json.dumps({"eos_token_id": ids}))
    assert findings(base, rows)["missing-eos"] == set()


@pytest.mark.parametrize("longer", ["chosen", "rejected"])
def test_a_source_of_which_one_side_is_cut(
    longer: str, family: tuple[str, PreTrainedTokenizerBase]
) -> None:
    answers = ((f"Blue {i}.", f"{i} {WORDS}") for i in range(12))
    sides = [(long, short) if longer == "chosen" else (short, long) for short, long in answers]
    cut = frame(*(pair("Name a wave.", *side) for side in sides))
    even = frame(*(pair("Name a wave.", *side[:: 1 - 2 * (i % 2)]) for i, side in enumerate(sides)))
    for pairs, found in ((cut, 1), (even, 0)):
        tokens = measure_pairs(family[1], pairs, MAX_LENGTH)
        assert lint(pairs, select=["asymmetric-truncation"], tokens=tokens).rules[0].count == found


def test_what_can_be_rendered_has_the_ids_of_trl(
    family: tuple[str, PreTrainedTokenizerBase],
) -> None:
    _, tokenizer = family
    real, rows = real_pairs(), rows_of(tokenizer)
    everything = frame(*rows.values(), *real)
    refused = measure_pairs(tokenizer, everything, MAX_LENGTH)["refusal"].is_not_null()
    ours = render_frame(tokenizer, everything.filter(~refused)).drop_columns("id").to_pylist()
    written = [p for p, out in zip(rows.values(), refused, strict=False) if not out]
    theirs = [ids for p in written for ids in trl_tokenised(tokenizer, [p])]
    kept = [p for p, out in zip(real, refused[len(rows) :], strict=True) if not out]
    assert ours == theirs + trl_tokenised(tokenizer, kept)


def trl_tokenised(
    tokenizer: PreTrainedTokenizerBase, pairs: list[Pair]
) -> list[dict[str, list[int]]]:
    """What DPOTrainer makes of pairs whose messages have the same fields: others would get nulls."""
    trainer = SimpleNamespace(_tokenizer=tokenizer)
    args = DPOConfig(output_dir="unused", max_length=None, use_cpu=True, bf16=False, report_to=[])
    rows = Dataset.from_list([trl_row(p) for p in pairs])
    tokenised = DPOTrainer._prepare_dataset(trainer, rows, tokenizer, args, "train")
    return tokenised.select_columns(["prompt_ids", "chosen_ids", "rejected_ids"]).to_list()
