"""A plan as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefalign.plan import SHARE_CUT
from prefalign.plan.record import Flops, Memory, Plan, Setting
from prefalign.units import bytes_text, duration

_INDENT = "  "
_PHASES = {
    "training": "all of these",
    "fragmentation": "freed blocks that malloc keeps, measured",
    "kernels": "compiled matrix products that oneDNN keeps, measured",
    "scoring": "passes without gradients",
    "loading": "while weights are read",
    "process": "before any weights, as here",
}


def lines(plan: Plan) -> Iterator[str]:
    """Yields what `prefalign plan` prints."""
    trained = f"{plan.trainable_parameters / plan.parameters:.1%} trained"
    yield (
        f"{plan.run_file}: {plan.architecture}, {_short(plan.parameters)} parameters ({trained}),"
        f" {plan.precision}, {plan.processes} x {plan.device}"
    )
    yield ""
    yield "settings"
    yield from _settings(plan.settings)
    yield ""
    yield from _data(plan)
    yield ""
    yield from _work(plan)
    yield ""
    yield from _memory(plan)
    yield ""
    gpus = "1 GPU" if plan.processes == 1 else f"{plan.processes} GPUs"
    yield f"time on {gpus} at {plan.mfu:.0%} of the peak (--mfu: small models reach less)"
    for time in plan.times:
        yield f"{_INDENT}{time.gpu:<8}{duration(time.seconds)}"
    yield ""
    yield "launch" if len(plan.launch) == 1 else "launch, on each machine its line"
    yield from (f"{_INDENT}{line}" for line in plan.launch)


def _settings(settings: list[Setting]) -> Iterator[str]:
    names = max(len(setting.key) for setting in settings)
    values = max(len(_value(setting.value)) for setting in settings)
    for setting in settings:
        yield f"{_INDENT}{setting.key:<{names}}  {_value(setting.value):<{values}}  {_source(setting)}"


def _value(value: Any) -> str:
    if value is None or value == {}:
        return "-"
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text or "-"


def _source(setting: Setting) -> str:
    if setting.source in ("default", "--set"):
        return setting.source
    origin = f"recipe {setting.recipe}" if setting.recipe else "file"
    return f"{origin}, line {setting.line}"


def _data(plan: Plan) -> Iterator[str]:
    import polars as pl

    from prefdata.render.lengths import length_lines

    data = plan.data
    dropped = "".join(f", {number:,} {reason}" for reason, number in data.dropped.items())
    test = "" if data.test_pairs is None else f"; test {data.test_pairs:,}"
    yield f"pairs  train {data.pairs:,}{dropped}{test}"
    table = pl.DataFrame([row.model_dump() for row in data.lengths], infer_schema_length=None)
    by = "source" if table["source"].drop_nulls().len() else None
    yield from (f"{_INDENT}{line}" for line in length_lines(table, by))
    yield f"{_INDENT}max_length {data.recommended:,} is the smallest that cuts fewer than {SHARE_CUT:.0%} of pairs"


def _work(plan: Plan) -> Iterator[str]:
    work = plan.work
    yield "work"
    rows = {
        "steps": f"{work.steps:,} ({work.steps_per_epoch:,} an epoch), {work.forward_passes:,} passes",
        "pairs": f"{work.pairs:,}",
        "tokens": f"{work.tokens:,} in all, {work.tokens // max(work.steps, 1):,} a step",
        "read": f"{work.tokens_read:,} places ({plan.layout}), {work.tokens_scored:,} of them scored",
        "training": _flops(work.training),
        "reference": _flops(work.reference),
        "evaluation": f"{_flops(work.evaluation)}, {work.evaluations} times",
    }
    for name, text in rows.items():
        yield f"{_INDENT}{name:<12}{text}"


def _flops(flops: Flops) -> str:
    if not flops.total:
        return "none"
    shares = {name: getattr(flops, name) / flops.total for name in type(flops).model_fields}
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share)
    return f"{flops.total:.3g} FLOPs ({told})"


def _memory(plan: Plan) -> Iterator[str]:
    memory = plan.memory
    yield f"memory of one {'process' if plan.device == 'cpu' else plan.device}"
    for name in ("weights", "gradients", "optimizer", "copies", "activations", "head"):
        yield f"{_INDENT}{name:<14}{bytes_text(getattr(memory, name)):>9}"
    for name in ("training", "fragmentation", "kernels", "scoring", "loading", "process"):
        if number := getattr(memory, name):
            yield f"{_INDENT}{name:<14}{bytes_text(number):>9}  {_PHASES[name]}"
    yield f"{_INDENT}{'peak':<14}{bytes_text(memory.peak):>9}"
    if plan.divided:
        yield f"{_INDENT}of a whole model; the launcher divides it among {plan.processes} processes"
    if plan.fit is not None:
        yield f"{_INDENT}{_fit(plan, memory)}"


def _fit(plan: Plan, memory: Memory) -> str:
    fit = plan.fit
    assert fit is not None
    kept = f"{bytes_text(fit.kept_back)} kept back"
    verdict = "fits into" if fit.fits else "does not fit into"
    remedy = (
        ""
        if fit.fits
        else "; lower batch.micro_batch_size or data.max_length, or set"
        " hardware.gradient_checkpointing=true"
    )
    return f"{bytes_text(memory.peak)} {verdict} {bytes_text(fit.device_memory)} ({kept}){remedy}"


def _short(number: int) -> str:
    return f"{number / 1e9:.2f}B" if number >= 1e9 else f"{number / 1e6:.1f}M"
