"""The token store: what it holds, that it is made once, and what its fingerprint sees."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from prefalign.cache import once
from prefalign.config import Data
from prefalign.tokenise import tokenise
from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer, render_frame
from tests.prefdata.tokens.pairs import frame, pair, real_pairs

WORKER = """
import sys
from prefalign.config import Data
from prefalign.tokenise import tokenise
from tests.prefdata.tokens.pairs import frame, real_pairs

done = []
store = tokenise(frame(*real_pairs()), sys.argv[1], Data(train=""), progress=done.append)
print(store.fingerprint, sum(done))
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def data(max_length: int = 1024, truncation: str = "drop") -> Data:
    return Data(train="", max_length=max_length, truncation=truncation)


def files(cache: Path) -> list[tuple[str, int, int]]:
    """Name, inode and time of every store in the cache."""
    found = (cache / "tokens").glob("*.arrow")
    return sorted((p.name, p.stat().st_ino, p.stat().st_mtime_ns) for p in found)


def test_it_holds_the_rendered_ids(tiny_model: Path) -> None:
    pairs = frame(*real_pairs())
    store = tokenise(pairs, str(tiny_model), data(100_000))
    assert store.table.equals(render_frame(load_tokenizer(tiny_model), pairs))
    assert len(store) == 30
    assert store.dropped == {}
    sides = store.table.to_pydict()
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    assert store.token_counts == tuple(sum(map(len, sides[name])) for name in names)


def test_a_second_call_renders_nothing(tiny_model: Path, cache: Path) -> None:
    pairs = frame(*real_pairs())
    first = tokenise(pairs, str(tiny_model), data())
    made = files(cache)
    done: list[int] = []
    second = tokenise(pairs, str(tiny_model), data(), progress=done.append)
    assert files(cache) == made
    assert len(made) == 1
    assert done == []
    assert second == first


def test_dropped_pairs_are_counted_by_reason(tiny_model: Path) -> None:
    pairs = frame(pair("Hi", "short", "brief"), pair("Hi", "word " * 200, "brief", row=2))
    for _ in range(2):  # made, then read
        store = tokenise(pairs, str(tiny_model), data(64))
        assert store.dropped == {"too-long": [pairs["id"][1]]}
        assert store.table["id"].to_pylist() == [pairs["id"][0]]
        assert (store.max_length, store.truncation) == (64, "drop")


def test_every_pair_may_be_dropped(tiny_model: Path) -> None:
    store = tokenise(frame(pair("Hi", "a", "b")), str(tiny_model), data(2))
    assert len(store) == 0
    assert store.token_counts == (0, 0, 0)


def test_what_changes_the_fingerprint(tiny_model: Path, tmp_path: Path, cache: Path) -> None:
    pairs = frame(pair("Hi", "a", "b"), pair("Hi", "c", "d"))
    other = load_tokenizer(tiny_model)
    other.chat_template = "{{ '' }}" + other.chat_template
    other.save_pretrained(tmp_path / "other")
    prints = [
        tokenise(pairs, str(tiny_model), data()).fingerprint,
        tokenise(pairs.reverse(), str(tiny_model), data()).fingerprint,
        tokenise(pairs.head(1), str(tiny_model), data()).fingerprint,
        tokenise(pairs, str(tiny_model), data(512)).fingerprint,
        tokenise(pairs, str(tiny_model), data(truncation="keep_end")).fingerprint,
        tokenise(pairs, str(tmp_path / "other"), data()).fingerprint,
    ]
    assert len(set(prints)) == len(prints) == len(files(cache))
    again = pairs.with_columns(meta=pl.lit('{"note": 1}'), file=pl.lit("moved.jsonl"))
    assert tokenise(again, str(tiny_model), data()).fingerprint == prints[0]
    assert len(files(cache)) == len(prints)


def test_template_arguments_are_part_of_the_key(tiny_model: Path, tmp_path: Path) -> None:
    moody = load_tokenizer(tiny_model)
    moody.chat_template = "{{ mood or '' }}" + moody.chat_template
    moody.save_pretrained(tmp_path / "moody")
    plain, sad = (
        tokenise(
            frame(pair("Hi", "a", "b", chat_template_kwargs=k)), str(tmp_path / "moody"), data()
        )
        for k in (None, json.dumps({"mood": "sad"}))
    )
    assert plain.table["id"].to_pylist() == sad.table["id"].to_pylist()
    assert plain.fingerprint != sad.fingerprint


def test_two_processes_render_once(tiny_model: Path, cache: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(tiny_model)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [worker.communicate(timeout=120)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert outputs[0][0] == outputs[1][0]
    assert sorted(int(rendered) for _, rendered in outputs) == [0, 30]
    assert len(files(cache)) == 1


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("stopped")

    target = tmp_path / "made" / "once"
    with pytest.raises(RuntimeError, match="stopped"):
        once(target, fail)
    assert not target.exists()
    once(target, lambda path: path.write_text("whole"))
    once(target, fail)
    assert target.read_text() == "whole"


def test_a_damaged_store_is_named(tiny_model: Path, cache: Path) -> None:
    tokenise(frame(pair("Hi", "a", "b")), str(tiny_model), data())
    ((name, _, _),) = files(cache)
    (cache / "tokens" / name).write_bytes(b"not arrow")
    with pytest.raises(InputError, match="not a token store") as caught:
        tokenise(frame(pair("Hi", "a", "b")), str(tiny_model), data())
    assert str(caught.value.hint).startswith("rm ")


def test_a_cache_that_cannot_be_made(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written") as caught:
        tokenise(frame(pair("Hi", "a", "b")), str(tiny_model), data())
    assert "PREFALIGN_CACHE" in str(caught.value.hint)
