"""The published JSON Schemas of what prefalign writes; `prefdata.schemas` turns models into them."""

from __future__ import annotations

SCHEMAS = {
    "run": "prefalign.record:RunRecord",
    "compare": "prefalign.comparison:Comparison",
    "sweep": "prefalign.sweep.record:Sweep",
    "run-plan": "prefalign.plan.record:Plan",
}
