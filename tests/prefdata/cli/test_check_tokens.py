"""`prefdata check --tokenizer`: formats, exit codes, settings, refused rows and templates from files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import TypeAlias

import jsonschema
import pytest
from click.testing import CliRunner

from prefdata.cli import main
from prefdata.cli import prefdata as group
from prefdata.render import RENDERERS
from tests.command import prefdata
from tests.prefdata.cli.test_check import GOOD, lines
from tests.prefdata.tokens.test_load import edited

STRICT = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}"
    "{% endif %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TALK = {
    "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
    "chosen": [{"role": "assistant", "content": "Hello."}],
    "rejected": [{"role": "assistant", "content": "What?"}],
}


Check: TypeAlias = Callable[..., CompletedProcess[str]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs `prefdata check` in this process: a new one imports transformers for seconds."""

    def run(*args: str | Path) -> CompletedProcess[str]:
        argv = ["prefdata", "check", *map(str, args)]
        monkeypatch.setattr(sys, "argv", argv)
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        return CompletedProcess(argv, int(stopped.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "strict.jinja"
    path.write_text(STRICT, "utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    question = [{"role": "user", "content": "Hi."}]
    trimmed = [{"role": "assistant", "content": "Hello. "}]
    return lines(
        tmp_path / "in.jsonl",
        TALK | {"prompt": question},
        TALK,
        TALK | {"prompt": question, "chosen": trimmed},
    )


def test_refused_rows_are_findings_and_the_others_are_checked(
    source: Path, template: Path, tiny_model: Path
) -> None:
    ran = prefdata(
        "check", source, "--tokenizer", tiny_model, "--chat-template", template, "--select", "PD4"
    )
    assert ran.returncode == 1
    first, second, _ = ran.stdout.splitlines()
    assert first.startswith(f"{source}:3  PD407 template-rewrites-completion  warning  ")
    assert first.endswith("chosen loses white space at its edges")
    assert second.startswith(f"{source}:2  PD413 refused-by-template")
    assert second.endswith("no system role")


@pytest.mark.parametrize("renderer", RENDERERS.names())
def test_every_format_has_them(
    renderer: str, check: Check, source: Path, template: Path, tiny_model: Path
) -> None:
    options = ["--tokenizer", tiny_model, "--chat-template", template, "--select", "PD4"]
    ran = check(source, *options, "--format", renderer)
    assert ran.returncode == 1
    assert "refused-by-template" in ran.stdout
    assert "no system role" in ran.stdout
    if renderer == "json":
        schema = CliRunner().invoke(group, ["schema", "diagnostic"]).stdout
        jsonschema.validate(json.loads(ran.stdout), json.loads(schema))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--select", "PD4", "--fail-on", "never"], 0),
        (["--select", "PD407", "--fail-on", "warning"], 1),
        (["--select", "PD4", "--ignore", "PD413"], 0),
    ],
)
def test_exit_codes(
    options: list[str], code: int, check: Check, source: Path, template: Path, tiny_model: Path
) -> None:
    ran = check(source, "--tokenizer", tiny_model, "--chat-template", template, *options)
    assert ran.returncode == code


def test_settings_in_a_file(
    check: Check, source: Path, template: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source.parent / "prefdata.toml").write_text(
        'ignore = ["missing-source"]\n'
        '[rules]\nrefused-by-template = { level = "info" }\n'
        "asymmetric-truncation = { min_difference = 0.5 }\n"
    )
    options = ["--tokenizer", tiny_model, "--chat-template", template, "--select", "PD4"]
    monkeypatch.chdir(source.parent)
    ran = check(source.name, *options)
    assert ran.returncode == 0
    assert "PD413 refused-by-template" in ran.stdout


def test_a_base_model_has_a_way_out(
    check: Check, source: Path, template: Path, tiny_model: Path, tmp_path: Path
) -> None:
    base = edited(tiny_model, tmp_path / "base", chat_template=None)
    (base / "chat_template.jinja").unlink(missing_ok=True)
    ran = check(source, "--tokenizer", base)
    assert ran.returncode == 2
    assert "no chat template" in ran.stderr
    assert "--chat-template FILE" in ran.stderr
    with_template = ["--tokenizer", base, "--chat-template", template, "--select", "PD410"]
    assert check(source, *with_template).returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--select", "PD4"], "add --tokenizer MODEL"),
        (["--select", "split-leakage"], "add --against FILE"),
        (["--max-length", "64"], "add --tokenizer MODEL"),
        (["--chat-template", "x.jinja"], "add --tokenizer MODEL"),
        (["--tokenizer", "MODEL", "--chat-template", "nowhere.jinja"], "cannot read the chat"),
    ],
)
def test_what_is_missing_is_said(
    options: list[str], said: str, check: Check, tiny_model: Path, tmp_path: Path
) -> None:
    source = lines(tmp_path / "in.jsonl", GOOD)
    ran = check(source, *(tiny_model if option == "MODEL" else option for option in options))
    assert ran.returncode == 2
    assert said in ran.stderr
