"""The linter: any data gives findings and never an exception; counts are those of the definitions."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.config import RuleSettings
from prefdata.errors import ConfigError, FormatError, PrefError
from prefdata.frame import messages
from prefdata.lint import SCHEMA, Findings, check, lint
from prefdata.stats.intervals import wilson
from prefdata.types import Origin
from tests.prefdata.pairs import FRAMES, PLAIN_FRAMES, frame, pair

PLACES = ["code", "name", "level", "id", "file", "row"]


class SetAside(NamedTuple):
    origin: Origin
    rule: str
    path: str
    message: str


def counts(findings: Findings) -> dict[str, int]:
    return {rule.name: rule.count for rule in findings.broken}


@given(FRAMES)
def test_any_frame_gives_findings_of_known_pairs(pairs: pl.DataFrame) -> None:
    before = pairs.clone()
    findings = lint(pairs, against=pairs)
    assert pairs.equals(before), "lint changed the data"
    assert findings.frame.schema == SCHEMA
    assert set(findings.frame["id"].drop_nulls()) <= set(pairs["id"])
    assert findings.frame["message"].null_count() == 0
    by_rule = Counter(findings.frame["name"])
    assert {rule.name: rule.count for rule in findings.rules} == {
        rule.name: by_rule[rule.name] for rule in findings.rules
    }


@given(FRAMES)
def test_nulls_where_lists_should_be_are_no_exception(pairs: pl.DataFrame) -> None:
    holes = pairs.with_columns(
        pl.when(pl.int_range(pl.len()) % 2 == 0).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("prompt", "chosen", "meta")
    )
    lint(holes, against=pairs)


@given(FRAMES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(pairs: pl.DataFrame, rng: random.Random) -> None:
    order = list(range(pairs.height))
    rng.shuffle(order)
    shuffled = pl.concat([pairs[i : i + 1] for i in order]) if order else pairs  # many chunks
    one, two = lint(pairs), lint(shuffled)
    assert one.rules == two.rules
    assert one.frame.select(PLACES).equals(two.frame.select(PLACES))


@given(PLAIN_FRAMES)
def test_counts_are_those_of_the_definitions(pairs: pl.DataFrame) -> None:
    """Oracles over plain tuples, as data people count."""
    rows = [
        (r["prompt_id"], messages(r["chosen"]), messages(r["rejected"]))
        for r in pairs.iter_rows(named=True)
    ]
    text = [(c[0].content or "", r[0].content or "") for _, c, r in rows]
    groups = defaultdict(set)
    for prompt, chosen, rejected in rows:
        groups[prompt, frozenset((chosen, rejected))].add((chosen, rejected))
    expected = {
        "identical-pair": sum(c == r for c, r in text),
        "empty-completion": sum(not c.strip() or not r.strip() for c, r in text),
        "whitespace-only-difference": sum(c != r and c.split() == r.split() for c, r in text),
        "duplicate-pair": len(rows) - len(set(rows)),
        "contradictory-pair": sum(len(groups[p, frozenset((c, r))]) > 1 for p, c, r in rows),
    }
    assert counts(lint(pairs, select=expected)) == {k: v for k, v in expected.items() if v}


def test_one_bad_row_is_one_finding_with_its_place() -> None:
    pairs = frame(pair("q", "a", "b", 3), pair("q", "c", "c", 9))
    (found,) = check(pairs, select=["PD2"]).frame.iter_rows(named=True)
    assert (found["code"], found["file"], found["row"]) == ("PD201", "t.jsonl", 9)
    assert found["id"] == pairs["id"][1]
    assert found["message"] == 'chosen and rejected are the same ("c")'


def test_quarantined_rows_are_findings_of_their_rule() -> None:
    aside = [SetAside(Origin("s", "f.jsonl", 7), "null-text", "$.chosen", "null here")]
    findings = lint(frame(pair("q", "a", "b")), quarantine=aside)
    (found,) = findings.frame.iter_rows(named=True)
    assert (found["name"], found["file"], found["row"]) == ("null-text", "f.jsonl", 7)
    assert found["message"] == "$.chosen: null here"
    assert found["id"] is None
    assert (findings.pairs, findings.quarantined) == (1, 1)
    assert lint(frame(), quarantine=aside, ignore=["PD1"]).broken == ()


def test_a_rule_found_while_reading_and_in_a_row_is_counted_once_each() -> None:
    aside = [SetAside(Origin("s", "f.jsonl", 7), "identical-pair", "$", "the same")]
    findings = lint(frame(pair("q", "a", "a", 8)), quarantine=aside)
    assert counts(findings) == {"identical-pair": 2}
    assert findings.frame["row"].to_list() == [7, 8]


def test_rules_are_selected_by_name_code_and_family() -> None:
    pairs = frame(pair("q", "", ""), pair("q", "x", "x", 2))
    assert counts(check(pairs, select=["identical-pair", "PD104"])) == {
        "empty-completion": 1,
        "identical-pair": 2,
    }
    assert counts(check(pairs, select=["pd2"])) == {"identical-pair": 2}
    assert counts(check(pairs, ignore=["PD2"])) == {"empty-completion": 1}
    with pytest.raises(PrefError, match="there is no rule 'PD9'"):
        check(pairs, select=["PD9"])


def test_settings_change_level_and_limits() -> None:
    pairs = frame(*(pair(f"q{i}", "long answer", "no", i) for i in range(1, 31)))
    select = ["length-bias"]
    found = check(pairs, select=select)
    (one,) = found.frame.iter_rows(named=True)
    assert one["value"] == 1.0
    assert one["message"].startswith("chosen is longer in 100.0% of pairs (95 % CI 88.6 to 100.0")
    tolerant = {"PD308": RuleSettings(max=0.9)}
    assert counts(lint(pairs, select=select, settings=tolerant)) == {}
    strict = lint(pairs, select=select, settings={"length-bias": RuleSettings(level="error")})
    assert strict.reach("error")
    assert not found.reach("error")
    assert found.reach("warning")


def test_a_key_that_no_rule_has_is_refused_with_what_was_meant() -> None:
    wrong = {"length-bias": RuleSettings.model_validate({"mx": 0.7})}
    with pytest.raises(ConfigError) as error:
        lint(frame(pair("q", "a", "b", 1)), settings=wrong)
    assert error.value.problems == ["rules.length-bias.mx: unknown key; did you mean 'max'?"]


def test_findings_within_max_rate_are_information() -> None:
    pairs = frame(*(pair(f"q{i}", "a", "b", i) for i in range(1, 10)), pair("q", "x", "x", 10))
    for rate, level in ((0.1, "info"), (0.09, "error")):
        findings = lint(pairs, settings={"identical-pair": RuleSettings(max_rate=rate)})
        assert {rule.level for rule in findings.broken} == {level}
        assert counts(findings) == {"identical-pair": 1}, "a tolerated finding is still told"


def test_rules_that_need_more_than_the_set_wait_for_it() -> None:
    pairs = frame(pair("q", "a", "b"))
    ran = {rule.name for rule in lint(pairs).rules}
    assert not ran & {"split-leakage", "prompt-fills-max-length"}
    assert counts(lint(pairs, against=pairs)) == {"split-leakage": 1}


def test_a_frame_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(FormatError, match="no column id, prompt_id") as error:
        check(pl.DataFrame({"prompt": ["q"], "chosen": ["a"], "rejected": ["b"]}))
    assert "prefdata.convert" in str(error.value.hint)


def test_wilson_against_published_and_symmetric_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81 of 263 and 0 of 20
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    for hits, total in combinations(range(1, 12), 2):
        low, high = wilson(hits, total)
        assert 0 <= low < hits / total < high <= 1
        assert wilson(total - hits, total) == pytest.approx((1 - high, 1 - low))


TOY = '''"""The prompt shouts.

## What it does
## Why is this bad?
## Example
## Fix
None.
"""

import polars as pl

from prefdata.checks import row_rule
from prefdata.expressions import contents


@row_rule("PD999", "shouting-prompt", level="warning", message="the prompt shouts")
def shouting_prompt():
    text = contents("prompt").list.join(" ")
    return (text == text.str.to_uppercase()) & (text != text.str.to_lowercase())
'''


def test_a_new_rule_is_one_new_file(tmp_path: Path) -> None:
    (tmp_path / "shouting_prompt.py").write_text(TOY)
    program = (
        "import sys, prefdata.checks; prefdata.checks.__path__.append(sys.argv.pop(1));"
        "from prefdata.cli import main; main()"
    )
    source = tmp_path / "in.jsonl"
    source.write_text('{"prompt": "WHY?", "chosen": "Because.", "rejected": "No."}\n')

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, str(tmp_path), *args]
        root = Path(__file__).parents[2]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    checked = run("check", str(source), "--fail-on", "warning")
    assert checked.returncode == 1, checked.stderr
    assert "in.jsonl:1  PD999 shouting-prompt  warning  the prompt shouts" in checked.stdout
    assert run("explain", "PD999").stdout.startswith("PD999 shouting-prompt · warning")
