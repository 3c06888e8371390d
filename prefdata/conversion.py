"""Sources of any layout to canonical pairs, in memory or to files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import pyarrow as pa
from msgspec import Struct

from prefdata import frame
from prefdata.converting.batch import Gathered
from prefdata.converting.convert_block import (
    Converted,
    convert_block,
    encode_block,
    encoded,
    tables,
)
from prefdata.converting.gather import gather
from prefdata.converting.join import Used, check_joins
from prefdata.converting.joined_files import JoinedFiles
from prefdata.converting.ledger import Ledger
from prefdata.converting.options import ConvertOptions, Source
from prefdata.converting.quarantine import Quarantined
from prefdata.converting.refusal import refuse_useless
from prefdata.converting.survey import survey
from prefdata.converting.workers import processes_for, run
from prefdata.errors import FormatError
from prefdata.io import hub
from prefdata.io.blocks import Block
from prefdata.io.manifest import (
    Counts,
    FileEntry,
    JoinedEntry,
    LayoutEntry,
    Manifest,
    refuse_to_overwrite,
    sha256,
    sibling,
    write_manifest,
)
from prefdata.io.partial import Work, encode
from prefdata.io.read import BLOCK_BYTES, Progress, blocks, source_name, spooled
from prefdata.io.write import check_suffix
from prefdata.version import __version__

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

__all__ = ["Conversion", "ConvertOptions", "convert", "convert_to", "read_pairs"]


class Conversion(Struct, frozen=True):
    """A whole conversion in memory; the frames have the columns of `prefdata.frame`."""

    pairs: pl.DataFrame
    ties: pl.DataFrame
    unpaired: pl.DataFrame
    quarantine: list[Quarantined]
    counts: Counts
    reasons: dict[str, int]
    layout: list[LayoutEntry]
    joined: list[JoinedEntry]


def convert(
    sources: Sequence[str | Path],
    options: ConvertOptions | None = None,
    *,
    progress: Progress = lambda _: None,
) -> Conversion:
    """Converts files (or hub datasets, or `-`) to canonical pairs in memory.

    Args:
        sources: paths, hub names `owner/name[:config][@split]`, or `-` for standard input.
        options: layout, mapping and pairing policy, where the data does not say.
        progress: called with the bytes read of the current file.

    Raises:
        InputError: a source cannot be read.
        FormatError: a layout is unknown or ambiguous.
    """
    options = options or ConvertOptions()
    check_joins(options.joins, [str(source) for source in sources])
    ledger = Ledger()
    done: list[Converted] = []
    with ExitStack() as stack:
        others = JoinedFiles(options.joins, stack)
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="prefdata-")))
        joining = msgspec.structs.replace(options, joins=others.index(folder))
        for source in map(str, sources):
            path = stack.enter_context(spooled(source))
            for job in _jobs(source, path, joining, progress, convert_block):
                done.append(job())
                ledger.add(done[-1].ledger)
        joined = _joined(others, (used for part in done for used in part.joined), ledger)
    waiting = [item for part in done for item in part.gathered]
    done += [tables(batch, ledger) for batch in gather(waiting, options, ledger)]
    refuse_useless(ledger)
    return Conversion(
        _frame([part.pairs for part in done], frame.PAIRS),
        _frame([part.ties for part in done], frame.TIES),
        _frame([part.unpaired for part in done], frame.UNPAIRED),
        [item for part in done for item in part.quarantine],
        ledger.counts(),
        dict(sorted(ledger.reasons.items())),
        ledger.layout_entries(),
        joined,
    )


def read_pairs(source: str | Path) -> pl.DataFrame:
    """Reads canonical pairs from a .parquet or .jsonl file or a hub dataset, as `convert` wrote them.

    Raises:
        FormatError: it holds anything but canonical pairs; the hint is the conversion to run.
    """
    conversion = convert([source])
    _require_canonical(source, (entry.name for entry in conversion.layout), conversion.quarantine)
    return conversion.pairs


def read_batches(source: str | Path, *, progress: Progress = lambda _: None) -> Iterator[pa.Table]:
    """Yields the pairs that `read_pairs` returns, some thousand at a time.

    Raises:
        FormatError: it holds anything but canonical pairs; the hint is the conversion to run.
    """
    ledger = Ledger()
    with spooled(str(source)) as path:
        for job in _jobs(str(source), path, ConvertOptions(), progress, convert_block):
            found = job()
            _require_canonical(source, found.ledger.layouts, found.quarantine)
            ledger.add(found.ledger)
            yield found.pairs
    refuse_useless(ledger)


def _require_canonical(
    source: str | Path, layouts: Iterable[str], quarantine: Sequence[Quarantined]
) -> None:
    if quarantine or any(name != "canonical" for name in layouts):
        raise FormatError(
            f"{source}: not a set of canonical pairs",
            hint=f"prefdata convert {source} -o pairs.parquet",
        )


def convert_to(
    sources: Sequence[str],
    output: Path,
    options: ConvertOptions,
    *,
    command: list[str],
    progress: Progress = lambda _: None,
    processes: int | None = None,
    resume: bool = False,
) -> Manifest:
    """Converts sources to `output` and its siblings (ties, unpaired, quarantine, manifest).

    Memory is bounded by a few blocks for each process, and the result is the same to the byte for
    any number of them. Every file appears whole or not at all; a sibling with no rows is not
    written, and one left by an earlier run is removed.

    Args:
        sources: paths, hub names, or `-`.
        output: a .parquet or .jsonl file.
        options: how to read.
        command: as typed, for the manifest.
        progress: called with the bytes read of the current file.
        processes: that share the work; by default one a core, for sources that are worth it.
        resume: go on where an interrupted run of the same command stopped.

    Returns:
        The manifest, as written.
    """
    check_suffix(output)
    check_joins(options.joins, sources)
    read = [*sources, *(join.file for join in options.joins)]
    refuse_to_overwrite([output], [name for name in read if not hub.is_name(name)])
    with ExitStack() as stack:
        paths = [stack.enter_context(spooled(source)) for source in sources]
        others = JoinedFiles(options.joins, stack)
        files = [*zip((*sources, *others.files), (*paths, *others.paths), strict=True)]
        work = stack.enter_context(Work(_outputs(output), _identity(files, options), resume=resume))
        joining = msgspec.structs.replace(options, joins=others.index(work.folder))
        hasher = stack.enter_context(ThreadPoolExecutor(1))  # reads while the workers convert
        hashes = [None if path is None else hasher.submit(sha256, path) for path in paths]
        ledger = _ledger(work)
        if not work.entry.finishing:
            _convert_blocks(sources, paths, joining, work, ledger, progress, processes)
        used = map(msgspec.json.Decoder(Used).decode, work.read("joined"))
        joined = _joined(others, used, ledger)
        if not work.entry.finishing:
            _complete(work, options, ledger)
        work.finish(msgspec.to_builtins(ledger))
        manifest = _manifest(ledger, options, command)
        manifest.joined = joined
        manifest.inputs = [
            FileEntry(
                file=source,
                sha256=found.result() if found else None,
                rows=ledger.rows_of.get(source, 0),
            )
            for source, found in zip(sources, hashes, strict=True)
        ]
        manifest.outputs = [
            FileEntry(file=path.name, sha256=sha256(path), rows=work.entry.outputs[name].rows)
            for name, path in work.outputs.items()
            if work.entry.outputs[name].exists
        ]
        write_manifest(manifest, output)
        work.discard()
    return manifest


def _jobs(
    source: str,
    path: Path | None,
    options: ConvertOptions,
    progress: Progress,
    convert_one: Callable[[Block, Source, ConvertOptions], T],
) -> Iterator[Callable[[], T]]:
    """Yields the conversion of each block of a source, to be done anywhere."""
    found = blocks(source, path, encoding=options.encoding, progress=progress)
    first = next(found, None)
    if first is None:
        return
    surveyed = survey(first, Source(source_name(source), source), options)
    for block in chain([first], found):
        yield partial(convert_one, block, surveyed, options)


def _convert_blocks(
    sources: Sequence[str],
    paths: Sequence[Path | None],
    options: ConvertOptions,
    work: Work,
    ledger: Ledger,
    progress: Progress,
    processes: int | None,
) -> None:
    """Converts the blocks that `work` does not hold yet, and accounts for them in `ledger`."""
    number = processes or processes_for(paths)
    suffix, folder = work.outputs["pairs"].suffix, None if number == 1 else work.folder
    encode_one = partial(encode_block, suffix=suffix, folder=folder)
    jobs = chain.from_iterable(
        _jobs(source, path, options, progress, encode_one)
        for source, path in zip(sources, paths, strict=True)
    )
    for done in run(islice(jobs, work.entry.blocks, None), number):
        ledger.add(done.ledger)
        for name, part in done.parts.items():
            work.append(name, part)
        work.note(msgspec.to_builtins(ledger))


def _ledger(work: Work) -> Ledger:
    """Returns the account of what `work` holds."""
    return msgspec.convert(work.entry.account, Ledger) if work.entry.account else Ledger()


def _complete(work: Work, options: ConvertOptions, ledger: Ledger) -> None:
    """Adds what could not be known before all rows were read.

    Raises:
        FormatError: there is nothing to learn from the result.
    """
    suffix = work.outputs["pairs"].suffix
    decode = msgspec.json.Decoder(Gathered).decode
    for batch in gather(map(decode, work.read("gathered")), options, ledger):
        for name, part in encoded(tables(batch, ledger), suffix).items():
            work.append(name, part)
    refuse_useless(ledger)
    if not work.entry.outputs["pairs"].exists:
        work.append("pairs", encode(frame.PAIRS.empty_table(), suffix))


def _outputs(output: Path) -> dict[str, Path]:
    return {
        "pairs": output,
        "ties": sibling(output, f".ties{output.suffix}"),
        "unpaired": sibling(output, f".unpaired{output.suffix}"),
        "quarantine": sibling(output, ".quarantine.jsonl"),
    }


def _joined(others: JoinedFiles, used: Iterable[Used], ledger: Ledger) -> list[JoinedEntry]:
    """Accounts for the rows of joined files; rows out of a quarantine file are only some of ours."""
    if not ledger.mended:
        others.refuse_longer(sum(ledger.rows_of.values()))
    return others.account(used)


def _identity(files: Sequence[tuple[str, Path | None]], options: ConvertOptions) -> dict[str, Any]:
    """Returns what must be the same for two runs to write the same files."""
    states = [(name, path.stat() if path else None) for name, path in files]
    return {
        "prefdata": __version__,
        "block_bytes": BLOCK_BYTES,
        "options": msgspec.to_builtins(options),
        "sources": [
            [source, state.st_size if state else None, state.st_mtime_ns if state else None]
            for source, state in states
        ],
    }


def _manifest(ledger: Ledger, options: ConvertOptions, command: list[str]) -> Manifest:
    return Manifest(
        command=command,
        licence=options.licence,
        source_url=options.source_url,
        inputs=[],
        outputs=[],
        layout=ledger.layout_entries(),
        counts=ledger.counts(),
        reasons=dict(sorted(ledger.reasons.items())),
        policies=ledger.policies,
        settings={
            "pairing": msgspec.to_builtins(options.pairing),
            **msgspec.to_builtins(options.reading),
            **({"joins": [join.as_typed for join in options.joins]} if options.joins else {}),
        },
    )


def _frame(parts: list[pa.Table], schema: pa.Schema) -> pl.DataFrame:
    return frame.to_polars(pa.concat_tables([schema.empty_table(), *parts]))
