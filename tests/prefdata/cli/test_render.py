"""`prefdata render`: what it prints, in its own process where exit code or errors are looked at."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prefdata.cli.render import command
from tests.command import prefdata

ROWS = [
    {"prompt": "<script>alert(1)</script>", "chosen": "[bold]Yes[/bold]", "rejected": "\u202eNo"},
    {"prompt": "One word", "chosen": "w" * 1_000_000, "rejected": "short"},
    {"prompt": "Capital?", "chosen": "It is Paris.", "rejected": "It is London."},
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def rendered(*args: str | Path) -> Result:
    """Runs the command in this process, which has loaded transformers already."""
    return CliRunner().invoke(command, [str(arg) for arg in args])


def test_text_shows_tokens_and_counts(rows: Path, tiny_model: Path) -> None:
    ran = prefdata("render", rows, "--tokenizer", tiny_model, "--max-length", "40")
    assert ran.returncode == 0, ran.stderr
    assert "prefalign" in ran.stdout
    assert "⟦<|im_start|>⟧user⏎" in ran.stdout
    assert "<script>alert(1)</script>" in ran.stdout
    assert "[bold]Yes[/bold]" in ran.stdout
    assert "\\u202eNo" in ran.stdout
    assert "not trained on: a side has more than 40 tokens" in ran.stdout
    assert "characters …]" in ran.stdout
    assert "{+Paris+}" in ran.stdout or "{+" in ran.stdout
    assert "3 of 3 pairs" in ran.stdout
    assert len(ran.stdout) < 10_000
    assert "\x1b" not in ran.stdout


def test_a_file_called_html_becomes_one_escaped_page(
    rows: Path, tiny_model: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    ran = rendered(rows, "--tokenizer", tiny_model, "-n", "1", "--rows", "1,3", "-o", page)
    assert ran.exit_code == 0, ran.output
    assert ran.stdout == ""
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "rows.jsonl:3" in text
    assert "rows.jsonl:2" not in text


def test_json_has_the_ids(rows: Path, tiny_model: Path) -> None:
    asked = (rows, "--tokenizer", tiny_model, "--format", "json", "--trainer", "trl-orpo@1.16")
    ran = rendered(*asked, "--rows", "3")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["run"]["trainers"] == ["trl-orpo@1.16"]
    (pair,) = found["pairs"]
    assert pair["row"] == 3
    assert pair["chosen"]["completion"]["ids"][-1] == 2  # <|im_end|>, after that of the template
    again = rendered(*asked, "--ids", pair["id"][:8])
    assert json.loads(again.stdout)["pairs"] == [pair]


def test_diff_trainers_names_rows_and_fails(rows: Path, tiny_model: Path) -> None:
    asked = ("render", rows, "--tokenizer", tiny_model, "--rows", "1,3", "--diff-trainers")
    ran = prefdata(*asked, "trl-dpo@1.16,trl-orpo@1.16")
    assert ran.returncode == 1, ran.stderr
    assert "rows.jsonl:3" in ran.stdout
    assert "second-eos" in ran.stdout
    assert "they disagree on 2 of 2 rows (100.0 %)" in ran.stdout
    same = rendered(*asked[1:], "trl-dpo@1.16,prefalign", "--format", "json")
    assert same.exit_code == 0, same.output
    assert json.loads(same.stdout)["rows"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--trainer", "trl-dpo"), ["no trainer 'trl-dpo'", "trl-dpo@1.16"]),
        (("--trainer", "trl-orpo@1.16", "--truncation", "drop"), ["no truncation 'drop'"]),
        (("--diff-trainers", "prefalign"), ["is not A,B"]),
        (("--rows", "1-x"), ["is not N or N-N"]),
        (("--ids", "zz"), ["no pair with id zz"]),
        (("-o", "missing/page.html"), ["there is no directory missing"]),
        (("--rows", "99", "--trainer", "axolotl"), ["'axolotl' is not axolotl:TYPE"]),
    ],
)
def test_bad_input_is_named_before_a_tokenizer_is_loaded(
    rows: Path, options: tuple[str, ...], words: list[str]
) -> None:
    ran = prefdata("render", rows, "--tokenizer", "no/such/model", *options)
    assert ran.returncode == 2
    assert ran.stdout == ""
    for word in words:
        assert word in ran.stderr


@pytest.mark.skipif(find_spec("llamafactory") is not None, reason="needs it to be missing")
def test_a_missing_library_leaves_ours_and_says_what_to_install(
    rows: Path, tiny_model: Path
) -> None:
    asked = (rows, "--tokenizer", tiny_model, "--rows", "3")
    ran = rendered(*asked, "--trainer", "llamafactory:qwen")
    assert ran.exit_code == 0, ran.output
    assert "pip install llamafactory" in ran.stderr
    assert ran.stdout.startswith("prefalign · ")
    refused = prefdata("render", *asked, "--diff-trainers", "prefalign,llamafactory:qwen")
    assert refused.returncode == 2
    assert "pip install llamafactory" in refused.stderr
