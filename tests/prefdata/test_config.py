"""Settings: the nearest file counts, and everything wrong in it is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.config import RuleSettings, Settings, load_settings
from prefdata.errors import ConfigError


def test_the_nearest_file_upwards_counts(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "prefdata.toml").write_text('ignore = ["outer"]')
    assert load_settings(below).ignore == ["outer"]
    (tmp_path / "a" / "pyproject.toml").write_text('[project]\nname = "not ours"')
    assert load_settings(below).ignore == ["outer"]
    (tmp_path / "a" / "pyproject.toml").write_text('[tool.prefdata]\nignore = ["inner"]')
    assert load_settings(below).ignore == ["inner"]


def test_every_key(tmp_path: Path) -> None:
    (tmp_path / "prefdata.toml").write_text(
        'select = ["PD2"]\nignore = ["identical-pair"]\nfail-on = "warning"\n'
        "[rules]\nlength-bias = { max = 0.7 }\n"
        'duplicate-pair = { max_rate = 0.02, level = "error" }\n'
    )
    assert load_settings(tmp_path) == Settings(
        select=["PD2"],
        ignore=["identical-pair"],
        fail_on="warning",
        rules={
            "length-bias": RuleSettings(max=0.7),
            "duplicate-pair": RuleSettings(max_rate=0.02, level="error"),
        },
    )


def test_all_problems_are_listed_with_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "prefdata.toml").write_text(
        'ignor = []\nfail-on = "erorr"\n[rules]\nlength-bias = { level = "grave" }\n'
    )
    with pytest.raises(ConfigError) as error:
        load_settings(tmp_path)
    assert str(tmp_path / "prefdata.toml") in error.value.message
    assert len(error.value.problems) == 3
    text = "\n".join(error.value.problems)
    assert "ignor: unknown key; did you mean 'ignore'?" in text
    assert "fail-on: Input should be 'error', 'warning', 'info' or 'never'" in text
    assert "rules.length-bias.level: Input should be 'error', 'warning' or 'info'" in text


def test_broken_toml(tmp_path: Path) -> None:
    (tmp_path / "prefdata.toml").write_text("select = [")
    with pytest.raises(ConfigError, match=r"prefdata\.toml"):
        load_settings(tmp_path)
    (tmp_path / "prefdata.toml").unlink()
    (tmp_path / "pyproject.toml").write_text("not toml")
    assert load_settings(tmp_path) == Settings(), "somebody else's file is not ours to judge"
