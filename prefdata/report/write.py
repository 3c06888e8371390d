"""A report to files: the page, and the JSON it was made from beside it."""

from __future__ import annotations

from pathlib import Path

from prefdata.errors import InputError
from prefdata.io.write import atomic
from prefdata.report.model import Report
from prefdata.report.page import GENERATOR, render

_HEAD = 4096  # bytes of a page in which its generator stands


def report_files(output: Path, inputs: tuple[str, ...]) -> tuple[Path, Path]:
    """Returns the paths of page and JSON, once it is sure that nobody else's file is lost.

    Raises:
        InputError: `output` does not end with `.html`, or a file in the way is no report of ours.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(
            f"{output}: a report is a page", hint="name it with the ending .html: -o report.html"
        )
    paths = output, output.with_suffix(".json")
    read = {Path(name).resolve() for name in inputs}
    for path, is_ours in zip(paths, (_is_page, _is_report), strict=True):
        if path.resolve() in read:
            raise InputError(f"{path}: is also an input", hint="name another output with -o")
        if path.exists() and not is_ours(path):
            raise InputError(
                f"{path}: exists, and was not written by prefdata",
                hint="name another output with -o, or remove it first",
            )
    return paths


def write_report(report: Report, paths: tuple[Path, Path]) -> None:
    """Writes page and JSON.

    Raises:
        InputError: a file cannot be written.
    """
    texts = render(report), report.model_dump_json(indent=2) + "\n"
    for path, text in zip(paths, texts, strict=True):
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return f'name="generator" content="{GENERATOR}"'.encode() in file.read(_HEAD)


def _is_report(path: Path) -> bool:
    try:
        Report.model_validate_json(path.read_bytes())
    except ValueError:
        return False
    return True
