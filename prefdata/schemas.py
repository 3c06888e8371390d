"""The published JSON Schemas, generated from the pydantic models that read and write the files."""

from __future__ import annotations

import importlib
from typing import Any, cast

from pydantic import BaseModel

from prefdata.schema import SCHEMA_VERSION

SCHEMAS = {
    "pair": "prefdata.schema:PairRow",
    "manifest": "prefdata.io.manifest:Manifest",
    "plan": "prefdata.curate.plan:Plan",
    "overlap": "prefdata.curate.overlap:Overlap",
    "report": "prefdata.report.model:Report",
    "diagnostic": "prefdata.render.json:DiagnosticReport",
}


def json_schema(name: str, models: dict[str, str] | None = None) -> dict[str, Any]:
    """Returns the JSON Schema called `name`; `models` maps names to `module:Model`."""
    module, _, attribute = (models or SCHEMAS)[name].partition(":")
    model = cast(type[BaseModel], getattr(importlib.import_module(module), attribute))
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{name}-v{SCHEMA_VERSION}.json",
    }
    return head | model.model_json_schema(mode="serialization")
