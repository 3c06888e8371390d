"""Evaluation sets, manifests and ties that stand around a set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefdata.conversion import ConvertOptions, convert_to
from prefdata.errors import FormatError, InputError
from prefdata.frame import TIES, to_polars
from prefdata.surroundings import read_benchmark, read_provenance, read_ties

FORMATS = Path(__file__).parents[1] / "fixtures" / "formats"


def benchmark(tmp_path: Path, text: str, name: str = "suite.jsonl") -> list[str]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    found = read_benchmark(str(path))
    assert found.name == "suite"
    return found.prompts.to_list()


def test_prompts_of_an_evaluation_layout() -> None:
    path = FORMATS / "llmbar" / "in.jsonl"
    *lines, _unlabelled = path.read_text("utf-8").splitlines()
    asked = [json.loads(line)["input"] for line in lines]
    assert read_benchmark(str(path)).prompts.to_list() == list(dict.fromkeys(asked))


@pytest.mark.parametrize(
    ("text", "name", "prompts"),
    [
        ("What is 2 + 2?\n\nWhy?\nWhy?\n", "suite.txt", ["What is 2 + 2?", "Why?"]),
        ('{"question": "What?", "answer": "4"}\n', "suite.jsonl", ["What?"]),
        ('{"instruction": "Do.", "output": "Done."}\n', "suite.jsonl", ["Do."]),
        (
            '{"question_id": 81, "turns": ["Write.", "Rewrite."]}\n',
            "suite.jsonl",
            ["Write.\nRewrite."],
        ),
        ('prompt,subject\n"What, why?",logic\n', "suite.csv", ["What, why?"]),
        (
            '{"messages": [{"role": "system", "content": "Be."}, {"role": "user", "content": "Hi"},'
            ' {"role": "assistant", "content": "Ho"}]}\n',
            "suite.jsonl",
            ["Hi"],
        ),
        ('{"prompt": "Name one.", "chosen": "A", "rejected": "B"}\n', "suite.jsonl", ["Name one."]),
    ],
)
def test_prompts_of_tables(tmp_path: Path, text: str, name: str, prompts: list[str]) -> None:
    assert benchmark(tmp_path, text, name) == prompts


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ('{"text": "x", "tag": 1}\n', "suite.jsonl", "its rows have text, tag"),
        ('{"prompt": 7}\n', "suite.jsonl", "no prompts found; its rows have prompt"),
        ("\n \n", "suite.txt", "no prompts found"),
        ("", "suite.jsonl", "no prompts found"),
    ],
)
def test_no_prompts_is_an_error_with_a_remedy(
    tmp_path: Path, text: str, name: str, said: str
) -> None:
    with pytest.raises(FormatError, match=said) as error:
        benchmark(tmp_path, text, name)
    assert "prompt, question, instruction" in str(error.value.hint)


def test_an_evaluation_set_that_is_not_there(tmp_path: Path) -> None:
    for name in ("nowhere.jsonl", "nowhere.txt"):
        with pytest.raises(InputError, match="no such file"):
            read_benchmark(str(tmp_path / name))


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "suite.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_benchmark(str(tmp_path / "suite.txt"))


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_what_a_conversion_wrote_beside_a_set(tmp_path: Path, suffix: str) -> None:
    source, output = tmp_path / "votes.jsonl", tmp_path / f"pairs{suffix}"
    row = {"prompt": "q", "response_a": "x", "response_b": "y", "winner": "tie"}
    rows = [row, row | {"winner": "model_a"}, row | {"prompt": "p"}]
    source.write_text("".join(json.dumps(each) + "\n" for each in rows))
    manifest = convert_to([str(source)], output, ConvertOptions(), command=["prefdata"])
    assert manifest.counts.ties == 2
    ties = read_ties(str(output))
    assert ties.schema == to_polars(TIES.empty_table()).schema
    assert ties["row"].to_list() == [1, 3]
    assert read_ties(str(source)).is_empty()
    found = read_provenance(str(output))
    assert found.path == str(output)
    assert found.manifest is not None
    assert found.manifest["inputs"][0]["file"] == str(source)
    assert read_provenance(str(source)).manifest is None
    assert read_provenance("-").manifest is None
    (tmp_path / "pairs.manifest.json").write_text("{")
    with pytest.raises(InputError, match="not a manifest"):
        read_provenance(str(output))
