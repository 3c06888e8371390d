"""The published JSON Schemas of what prefalign writes; `prefdata.schemas` turns models into them."""

from __future__ import annotations

SCHEMAS = {
    "run": "prefalign.records.run:RunRecord",
    "compare": "prefalign.comparison.record:Comparison",
    "sweep": "prefalign.sweep.record:Sweep",
    "run-plan": "prefalign.plan.record:Plan",
}
