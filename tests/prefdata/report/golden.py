"""Draws the golden page anew from its fixed report.json; look at it before you commit it."""

from __future__ import annotations

from pathlib import Path

from prefdata.report.model import Report
from prefdata.report.page import render

GOLDEN = Path(__file__).parents[2] / "fixtures/report"

if __name__ == "__main__":
    kept = Report.model_validate_json((GOLDEN / "report.json").read_bytes())
    (GOLDEN / "report.html").write_text(render(kept), encoding="utf-8")
