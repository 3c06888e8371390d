"""Compression: the same bytes come out, and a damaged file gives all there was before the damage."""

import bz2
import gzip
import io
import lzma
import random
import zipfile
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from prefdata.errors import InputError
from prefdata.io.decompress import opened

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
}
# text that compresses badly, so that a cut file still holds much of it
TEXT = random.Random(0).randbytes(300_000).hex().encode()


def zipped(**members: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return sink.getvalue()


@pytest.mark.parametrize("method", COMPRESS)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_members_come_out_one_after_the_other(method: str, parts: list[bytes]) -> None:
    reader = opened(io.BytesIO(b"".join(map(COMPRESS[method], parts))))
    assert reader.read() == b"".join(parts)
    assert reader.damage is None


@pytest.mark.parametrize("method", COMPRESS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_file_gives_what_it_holds_and_says_so(method: str, share: float) -> None:
    data = COMPRESS[method](TEXT)
    reader = opened(io.BytesIO(data[: int(len(data) * share)]))
    text = reader.read()
    assert TEXT.startswith(text)
    assert reader.damage == "the compressed data ends early"
    # blocks of zstd hold 128 KB, of bz2 900 KB
    assert len(text) > len(TEXT) * share - 150_000 or method == "bz2"


@pytest.mark.parametrize("method", COMPRESS)
def test_a_damaged_file_gives_what_stands_before_the_damage(method: str) -> None:
    first, data = TEXT[:200_000], COMPRESS[method](TEXT)
    at = len(data) // 2
    damaged = COMPRESS[method](first) + data[:at] + b"\xff\x00" * 50 + data[at + 100 :]
    reader = opened(io.BytesIO(damaged))
    text = reader.read()
    assert text.startswith(first)
    assert str(reader.damage).startswith("the compressed data is damaged")
    # a checksum finds at the end of a member what the codes did not show
    assert text[len(first) :][:1000] == TEXT[: len(text) - len(first)][:1000]


@pytest.mark.parametrize("method", COMPRESS)
def test_the_end_may_be_padded_with_zeros_but_not_with_text(method: str) -> None:
    data = COMPRESS[method](b"text")
    padded = opened(io.BytesIO(data + b"\0" * 100_000))
    assert (padded.read(), padded.damage) == (b"text", None)
    followed = opened(io.BytesIO(data + b"more text after the end"))
    assert followed.read() == b"text"
    assert followed.damage is not None


def test_a_wrong_checksum_costs_no_byte_of_a_small_file() -> None:
    data = bytearray(gzip.compress(b"some rows\n" * 100))
    data[-6] ^= 1
    reader = opened(io.BytesIO(bytes(data)))
    assert reader.read() == b"some rows\n" * 100
    assert reader.damage is not None


def test_plain_bytes_and_workbooks_stay_as_they_are() -> None:
    for data in (b"", b'{"a": 1}\n', zipped(**{"xl/workbook.xml": b"<x/>", "a": b""})):
        reader = opened(io.BytesIO(data))
        assert (reader.read(), reader.damage) == (data, None)


def test_a_zip_of_one_file_is_that_file() -> None:
    data = zipped(**{"folder/": b"", "folder/rows.jsonl": TEXT, "__MACOSX/._rows.jsonl": b"x"})
    assert opened(io.BytesIO(data)).read() == TEXT
    broken = bytearray(zipped(rows=TEXT))
    broken[200_000] ^= 255
    reader = opened(io.BytesIO(bytes(broken)))
    assert reader.read()[:1000] == TEXT[:1000]
    assert str(reader.damage).startswith("the zip is damaged")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped(a=b"1", b=b"2"), "a zip of 2 files: a, b"),
        (zipped(a=b"1")[:40], "cannot be read"),
        (zipped(), "cannot be read|a zip of 0 files"),
    ],
    ids=["two files", "cut off", "no files"],  # a zip holds the time, and a test's name must not
)
def test_other_zips_are_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        opened(io.BytesIO(data.ljust(4) if data.startswith(b"PK\x03") else b"PK\x03\x04"))
    assert error.value.hint


def test_a_reader_gives_lines_and_looks_ahead() -> None:
    reader = opened(io.BytesIO(gzip.compress(b"a\nb\n")))
    assert reader.peek(1)[:1] == b"a"
    assert list(reader) == [b"a\n", b"b\n"]


def test_memory_does_not_grow_with_what_a_file_claims() -> None:
    bomb = opened(io.BytesIO(gzip.compress(bytes(1 << 26))))
    total = 0
    while data := bomb.read(1 << 20):
        total += len(data)
        assert len(data) <= 1 << 20
    assert total == 1 << 26
