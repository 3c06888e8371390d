"""Comparisons against slow sums in fp32, and win rates by real reward models and judges."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import polars as pl
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForSequenceClassification

from prefalign.compare import compare
from prefalign.comparison.judge import Judge
from prefalign.comparison.opinions import judge_opinion, reward_opinion
from prefalign.comparison.record import UNTOUCHED, Comparison, Sample, Turn
from prefalign.comparison.reward_model import RewardModel
from prefalign.config import Data
from prefalign.metrics import PairScores, summarise
from prefalign.progress import Silence
from prefalign.run import train
from prefalign.tokenise import tokenise
from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer
from tests.command import prefalign
from tests.prefalign.test_compare import run_config, write_pairs
from tests.tiny import write_tiny_tokenizer

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Path]:
    """A directory with runs out/full and out/lora, test.parquet, and a reward model."""
    folder = tmp_path_factory.mktemp("opinions")
    write_pairs(folder / "train.parquet", first=0, number=24)
    write_pairs(folder / "test.parquet", first=100, number=14)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFALIGN_CACHE", str(folder / "cache"))
        for name, lora in (("full", None), ("lora", {"r": 4})):
            settings = run_config(folder, tiny_model, "dpo").model_dump(mode="json")
            settings["model"]["lora"] = lora
            settings["output"]["dir"] = str(folder / "out" / name)
            train(type(run_config(folder, tiny_model, "dpo")).model_validate(settings), Silence())
        write_reward_model(folder / "reward")
        yield folder


def write_reward_model(directory: Path, labels: int = 1) -> None:
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_labels=labels, pad_token_id=0,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(directory)
    write_tiny_tokenizer(directory)


def slow(model: Any, rows: list[dict[str, Any]]) -> PairScores:
    """Summed log-probs of every sequence alone, unpacked, in fp32."""
    columns: dict[str, list[float]] = {"chosen": [], "rejected": []}
    for row in rows:
        for side, values in columns.items():
            ids = torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]])
            with torch.no_grad():
                logps = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
            taken = logps.gather(-1, ids[0, 1:, None])[-len(row[f"{side}_ids"]) :]
            values.append(float(taken.double().sum()))
    tokens = [np.array([float(len(row[f"{s}_ids"])) for row in rows]) for s in columns]
    return PairScores(np.array(columns["chosen"]), np.array(columns["rejected"]), *tokens)


@pytest.mark.parametrize("again", [False, True])
def test_numbers_are_those_of_a_slow_evaluation(
    folder: Path, tiny_model: Path, again: bool
) -> None:
    runs = [folder / "out" / "full", folder / "out" / "lora"]
    found = compare(runs, pairs=str(folder / "test.parquet") if again else None)
    pairs = pl.read_parquet(folder / "test.parquet")
    rows = tokenise(pairs, load_tokenizer(str(tiny_model)), Data(train="")).table.to_pylist()

    def base() -> Any:
        return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()

    reference = slow(base(), rows)
    models = [
        base(),
        AutoModelForCausalLM.from_pretrained(runs[0] / "model", dtype=torch.float32).eval(),
        PeftModel.from_pretrained(base(), str(runs[1] / "model")).eval(),
    ]
    for run, model in zip(found.runs, models, strict=True):
        want = summarise(slow(model, rows), reference, pairs["prompt_id"].to_list())
        for name in ("accuracy_sum", "accuracy_mean", "nll_chosen", "drift_chosen", "drift_rejected",
                     "margin_reference"):  # fmt: skip
            mine, its = getattr(run.metrics, name), getattr(want, name)
            for end in ("value", "low", "high"):
                assert getattr(mine, end) == pytest.approx(getattr(its, end), abs=1e-4), name
        if run.name != UNTOUCHED:  # of which rounding, not the model, decides on either side of 0
            assert run.metrics.accuracy_reference.value == want.accuracy_reference.value
    assert abs(found.runs[1].metrics.margin_reference.value) > 0.1


def sample(number: int, **completions: str) -> Sample:
    return Sample(
        id=str(number), prompt=[Turn(role="user", content=f"Question {number}?")], chosen="", rejected="",
        completions=completions,
    )  # fmt: skip


def samples() -> list[Sample]:
    """Six prompts; dpo repeats the untouched model on the last two."""
    words = ["sea", "bread", "poem", "wave", "flour", "fall"]
    return [
        sample(
            n,
            untouched=f"Is it {word}",
            dpo=f"It is {word}" if n < 4 else f"Is it {word}",
            orpo=f"{word} {word}",
        )
        for n, word in enumerate(words)
    ]


def test_a_reward_model_decides_by_its_scores(folder: Path) -> None:
    found = reward_opinion(str(folder / "reward"), samples(), "dpo", Silence())
    assert [(c.name, c.against) for c in found.contests] == [
        ("dpo", "untouched"), ("orpo", "untouched"), ("dpo", "orpo"),
    ]  # fmt: skip
    model = LlamaForSequenceClassification.from_pretrained(folder / "reward").eval()
    tokenizer = load_tokenizer(str(folder / "reward"))

    def reward(one: Sample, name: str) -> float:
        turns = [
            {"role": "user", "content": one.prompt[0].content},
            {"role": "assistant", "content": one.completions[name]},
        ]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        with torch.no_grad():
            return float(model(**tokenizer(text, return_tensors="pt")).logits[0, 0])

    for contest in found.contests:
        won = [
            np.sign(round(reward(s, contest.name) - reward(s, contest.against), 6)) / 2 + 0.5
            for s in samples()
        ]
        assert contest.wins.value == pytest.approx(np.mean(won))
        assert contest.ties == won.count(0.5)
        assert contest.wins.low <= contest.wins.value <= contest.wins.high
    assert found.contests[0].ties == 2  # equal texts have equal rewards
    assert found.rewards is not None
    mean = np.mean([reward(s, "orpo") for s in samples()])
    assert found.rewards["orpo"] == pytest.approx(mean, abs=1e-5)


def test_what_is_no_reward_model_is_refused(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no reward model: it has no weights for score\.weight"):
        RewardModel.load(str(tiny_model))
    write_reward_model(tmp_path / "three", labels=3)
    with pytest.raises(InputError, match="it has 3 labels"):
        RewardModel.load(str(tmp_path / "three"))


class Asked:
    """Which questions a judge gets, and its real answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.questions: list[tuple[str, str, bool]] = []
        ask = Judge.prefers_first

        def listened(judge: Judge, prompt: Any, first: str, second: str) -> bool:
            answer = ask(judge, prompt, first, second)
            self.questions.append((first, second, answer))
            return answer

        monkeypatch.setattr(Judge, "prefers_first", listened)


def test_a_judge_is_asked_in_both_orders_and_has_to_stand_by_its_answer(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch)
    found = judge_opinion(str(tiny_model), samples(), "dpo", Silence())
    assert len(asked.questions) == 2 * (4 + 6 + 6)  # nobody is asked about equal texts
    turned = {(first, second): answer for first, second, answer in asked.questions}
    assert all((second, first) in turned for first, second in turned)
    for contest in found.contests:
        won = []
        for one in samples():
            mine, its = one.completions[contest.name], one.completions[contest.against]
            both = (turned[mine, its], not turned[its, mine]) if mine != its else (True, False)
            won.append(sum(both) / 2)
        assert contest.wins.value == pytest.approx(np.mean(won))
        assert contest.ties == won.count(0.5)
    answers = [answer for _, _, answer in asked.questions]
    assert found.first_preferred == pytest.approx(np.mean(answers))
    assert found.undecided == sum(c.ties for c in found.contests) - 2  # equal texts


def test_a_judge_s_answer_is_the_likelier_letter(tiny_model: Path) -> None:
    judge = Judge.load(str(tiny_model))
    prompt = [{"role": "user", "content": "Which?"}]
    answers = {judge.prefers_first(prompt, f"{n} sea", f"{n} wave") for n in range(3)}
    swapped = Judge(judge.model, judge.tokenizer, judge.letters[::-1])
    assert {swapped.prefers_first(prompt, f"{n} sea", f"{n} wave") for n in range(3)} == {
        not answer for answer in answers
    }


@pytest.mark.slow
def test_the_program_with_both(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = prefalign(
        "compare", folder / "out" / "full", folder / "out" / "lora", "--samples", "3", "--html", page,
        "--format", "json", "--reward-model", folder / "reward", "--judge", tiny_model,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    schema = json.loads((ROOT / "schemas" / "compare-v1.json").read_text())
    jsonschema.validate(json.loads(ran.stdout), schema)
    found = Comparison.model_validate_json(ran.stdout)
    assert [opinion.kind for opinion in found.opinions] == ["reward model", "judge"]
    assert all(len(opinion.contests) == 3 for opinion in found.opinions)
    assert set(found.samples[0].tokens) == {UNTOUCHED, "full", "lora"}
    html = page.read_text()
    assert f"The reward model {folder / 'reward'}" in html
    assert re.search(r"full · \d+ tokens", html)
    assert "<script" not in html
    refused = prefalign("compare", folder / "out" / "full", "--judge", tiny_model, "--samples", "0")
    assert refused.returncode == 2
    assert "a judge needs samples" in refused.stderr
