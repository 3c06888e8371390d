"""The token store: what it holds, that it is made once, and what its fingerprint sees."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from prefalign.cache import once
from prefalign.config import Data
from prefalign.token_file import read_tokens, write_tokens
from prefalign.tokenise import tokenise
from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer, render_frame, truncate
from tests.prefdata.tokens.pairs import frame, pair, real_pairs

WORKER = """
import sys
from prefalign.config import Data
from prefalign.tokenise import tokenise
from prefdata.tokens import load_tokenizer
from tests.prefdata.tokens.pairs import frame, real_pairs

done = []
store = tokenise(frame(*real_pairs()), load_tokenizer(sys.argv[1]), Data(train=""), progress=done.append)
print(store.fingerprint, sum(done))
"""

# dies by the signal nobody can handle: in the middle of tokenising, or before the file has its name
KILLED = """
import os, signal, sys
from pathlib import Path
from prefalign.config import Data
from prefalign.tokenise import tokenise
from prefdata.tokens import load_tokenizer
from tests.prefdata.tokens.pairs import frame, real_pairs

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "end":
    os.fsync = die
data = Data(train="", max_length=100_000)
tokenise(frame(*real_pairs()), load_tokenizer(sys.argv[1]), data, progress=die if sys.argv[2] == "batch" else None)
"""
# a limit on the size of files stands for a disk that is full
FULL = """
import os, resource, signal, sys
from prefalign.config import Data
from prefalign.token_file import read_tokens, write_tokens
from prefalign.tokenise import tokenise
from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer
from tests.prefdata.tokens.pairs import frame, real_pairs

limit = int(os.environ["LIMIT"])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    tokenise(frame(*real_pairs()), load_tokenizer(sys.argv[1]), Data(train="", max_length=100_000))
except InputError as error:
    print(error.message, error.hint)
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
    store = tokenise(pairs, load_tokenizer(tiny_model), data(100_000))
    assert store.table.equals(render_frame(load_tokenizer(tiny_model), pairs))
    assert len(store) == 30
    assert store.dropped == {}
    sides = store.table.to_pydict()
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    assert store.token_counts == tuple(sum(map(len, sides[name])) for name in names)


def test_a_second_call_renders_nothing(tiny_model: Path, cache: Path) -> None:
    pairs = frame(*real_pairs())
    first = tokenise(pairs, load_tokenizer(tiny_model), data())
    made = files(cache)
    done: list[int] = []
    second = tokenise(pairs, load_tokenizer(tiny_model), data(), progress=done.append)
    assert files(cache) == made
    assert len(made) == 2  # whole ids, and what 1024 leaves of them
    assert done == []
    assert second == first


def test_dropped_pairs_are_counted_by_reason(tiny_model: Path) -> None:
    pairs = frame(pair("Hi", "short", "brief"), pair("Hi", "word " * 200, "brief", row=2))
    for _ in range(2):  # made, then read
        store = tokenise(pairs, load_tokenizer(tiny_model), data(64))
        assert store.dropped == {"too-long": [pairs["id"][1]]}
        assert store.table["id"].to_pylist() == [pairs["id"][0]]
        assert (store.max_length, store.truncation) == (64, "drop")


def test_every_pair_may_be_dropped(tiny_model: Path) -> None:
    store = tokenise(frame(pair("Hi", "a", "b")), load_tokenizer(tiny_model), data(2))
    assert len(store) == 0
    assert store.token_counts == (0, 0, 0)


def test_what_changes_the_fingerprint(tiny_model: Path, tmp_path: Path, cache: Path) -> None:
    pairs = frame(pair("Hi", "a", "b"), pair("Hi", "c", "d"))
    other = load_tokenizer(tiny_model)
    other.chat_template = "{{ '' }}" + other.chat_template
    other.save_pretrained(tmp_path / "other")
    prints = [
        tokenise(pairs, load_tokenizer(tiny_model), data()).fingerprint,
        tokenise(pairs.reverse(), load_tokenizer(tiny_model), data()).fingerprint,
        tokenise(pairs.head(1), load_tokenizer(tiny_model), data()).fingerprint,
        tokenise(pairs, load_tokenizer(tiny_model), data(512)).fingerprint,
        tokenise(pairs, load_tokenizer(tiny_model), data(truncation="keep_end")).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert len(files(cache)) == 3  # lengths that cut nothing need no file
    # the same ids by another template
    assert tokenise(pairs, load_tokenizer(tmp_path / "other"), data()).fingerprint == prints[0]
    assert len(files(cache)) == 4
    again = pairs.with_columns(meta=pl.lit('{"note": 1}'), file=pl.lit("moved.jsonl"))
    assert tokenise(again, load_tokenizer(tiny_model), data()).fingerprint == prints[0]
    assert len(files(cache)) == 4


@pytest.mark.parametrize("truncation", ["drop", "keep_start", "keep_end"])
@pytest.mark.parametrize("max_length", [16, 64, 512])
def test_another_max_length_is_read_off(
    tiny_model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, max_length: int, truncation: str
) -> None:
    monkeypatch.setattr("prefalign.tokenise._BATCH", 7)
    pairs = frame(*real_pairs())
    whole = tokenise(pairs, load_tokenizer(tiny_model), data(100_000))
    done: list[int] = []
    cut = tokenise(
        pairs, load_tokenizer(tiny_model), data(max_length, truncation), progress=done.append
    )
    assert done == []
    expected, dropped = truncate(whole.table, max_length, truncation)
    assert cut.table.equals(expected)
    assert cut.dropped == dropped
    assert len({whole.fingerprint, cut.fingerprint}) == 2
    assert cut == tokenise(pairs, load_tokenizer(tiny_model), data(max_length, truncation))
    assert len(files(cache)) == 2


def test_columns_are_one_array_in_mapped_memory(tiny_model: Path, tmp_path: Path) -> None:
    pairs = frame(*(pair(f"Hi {i}", f"answer {i}", "no", row=i + 1) for i in range(3000)))
    before = pa.total_allocated_bytes()
    store = tokenise(pairs, load_tokenizer(tiny_model), data())
    assert [store.table[name].num_chunks for name in store.table.column_names] == [1] * 4
    assert pa.total_allocated_bytes() - before < 4096
    assert store.table.equals(render_frame(load_tokenizer(tiny_model), pairs).combine_chunks())
    assert store.library.startswith(("fastokens ", "tokenizers "))


def test_a_table_too_long_for_one_batch(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefalign.token_file._MOST_TOKENS", 2000)
    rendered = render_frame(load_tokenizer(tiny_model), frame(*real_pairs()))
    write_tokens(tmp_path / "t.arrow", rendered.to_batches(max_chunksize=4), {"a": 1})
    table, about = read_tokens(tmp_path / "t.arrow")
    assert table["prompt_ids"].num_chunks > 1
    assert table.equals(rendered)
    monkeypatch.undo()
    write_tokens(tmp_path / "u.arrow", rendered.to_batches(), {"a": 1})
    assert read_tokens(tmp_path / "u.arrow")[1] == about
    assert about["a"] == 1


def test_template_arguments_are_part_of_the_key(tiny_model: Path, tmp_path: Path) -> None:
    moody = load_tokenizer(tiny_model)
    moody.chat_template = "{{ mood or '' }}" + moody.chat_template
    moody.save_pretrained(tmp_path / "moody")
    plain, sad = (
        tokenise(
            frame(pair("Hi", "a", "b", chat_template_kwargs=k)),
            load_tokenizer(tmp_path / "moody"),
            data(),
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
    assert len(files(cache)) == 2


def test_a_killed_writer_leaves_nothing_half(tiny_model: Path, cache: Path) -> None:
    pairs = frame(*real_pairs())
    command = [sys.executable, "-c", KILLED, str(tiny_model)]
    for moment in ("batch", "end"):
        worker = subprocess.run([*command, moment], capture_output=True, timeout=120, check=False)
        assert worker.returncode == -signal.SIGKILL
        assert files(cache) == []
    assert len(list((cache / "tokens").glob(".*.tmp"))) == 1
    done: list[int] = []
    assert (
        len(tokenise(pairs, load_tokenizer(tiny_model), data(100_000), progress=done.append)) == 30
    )
    assert sum(done) == 30
    assert list((cache / "tokens").glob(".*.tmp")) == []


@pytest.mark.parametrize("limit", [1 << 10, 24 << 10])  # while ids are collected, and after
def test_a_full_disk_is_named(tiny_model: Path, cache: Path, limit: int) -> None:
    worker = subprocess.run(
        [sys.executable, "-c", FULL, str(tiny_model)], env=os.environ | {"LIMIT": str(limit)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert worker.stdout.startswith(
        f"{cache / 'tokens'}: the cache cannot be written: File too large"
    )
    assert "set PREFALIGN_CACHE" in worker.stdout
    assert list((cache / "tokens").glob("*.arrow")) == []
    assert list((cache / "tokens").glob(".*.tmp")) == []


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
    tokenise(frame(pair("Hi", "a", "b")), load_tokenizer(tiny_model), data())
    ((name, _, _),) = files(cache)
    (cache / "tokens" / name).write_bytes(b"not arrow")
    with pytest.raises(InputError, match="not a token store") as caught:
        tokenise(frame(pair("Hi", "a", "b")), load_tokenizer(tiny_model), data())
    assert str(caught.value.hint).startswith("rm ")


def test_a_cache_that_cannot_be_made(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written") as caught:
        tokenise(frame(pair("Hi", "a", "b")), load_tokenizer(tiny_model), data())
    assert "PREFALIGN_CACHE" in str(caught.value.hint)
