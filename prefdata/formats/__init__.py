"""Layouts: one module recognises and reads one family, and knows nothing of the others.

A layout is a generator from one source record to judgements, registered by `@layout`:

    @layout("openai-preference", recognise=fields(input=dict, preferred_output=list, non_preferred_output=list))
    def openai_preference(record: Record, options: Options) -> Iterator[Judgement]:
        '''OpenAI preference fine-tuning: `{"input": {"messages": [...]}, ...}`.  (the page of `prefdata formats`)'''
        ...

`recognise` returns the facts that identify the layout in a record, none if it is something else; the
layout with the most facts reads the record, and a draw is an error, never a guess. A reader yields what the record holds, raises
only `BadRecord`, does no I/O and leaves the record unchanged. What it does not use goes to `meta`
through `rest`, so nothing is lost.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from prefdata.registry import Registry
from prefdata.types import Judgement

Record: TypeAlias = Mapping[str, Any]
Facts: TypeAlias = tuple[str, ...]
Recogniser: TypeAlias = Callable[[Record], Facts]


class Options(Struct, frozen=True, kw_only=True):
    """What the person has said about the data, because the data does not say it.

    Attributes:
        mapping: our column name -> the source's column name (`--map`).
        label_values: the values of the mapped label that mean a, b and, if given, tie.
        prompt_ends_with: text that ends the prompt where prompt and completion are one string.
    """

    mapping: Mapping[str, str] | None = None
    label_values: tuple[str, ...] | None = None
    prompt_ends_with: str | None = None


Reader: TypeAlias = Callable[[Record, Options], Iterator[Judgement]]


class Layout(Struct, frozen=True, kw_only=True):
    """A registered layout; `page` is what `prefdata formats NAME` prints."""

    name: str
    page: str
    recognise: Recogniser
    read: Reader

    @property
    def summary(self) -> str:
        """Returns the first line of the page."""
        return self.page.partition("\n")[0]


LAYOUTS: Registry[Layout] = Registry("format", "prefdata.formats")


def layout(name: str, *, recognise: Recogniser) -> Callable[[Reader], Reader]:
    """Registers the decorated reader under `name`; its docstring becomes its page."""

    def register(read: Reader) -> Reader:
        page = inspect.getdoc(read) or ""
        found = Layout(name=name, page=page, recognise=recognise, read=read)
        LAYOUTS.add(name, found, read.__module__)
        return read

    return register


_TYPE_NAMES: dict[type, str] = {
    str: "text",
    list: "a list",
    dict: "an object",
    int: "a number",
    bool: "true or false",
}


def fields(**types: type | tuple[type, ...]) -> Recogniser:
    """Returns a recogniser for records that hold all these fields with one of these types each.

    A null counts for the layout's sake as any type but is no evidence, so that a record with one null
    is still read, and then reported, by the layout it belongs to. `object` stands for any type.
    """

    def recognise(record: Record) -> Facts:
        facts = []
        for key, expected in types.items():
            if key not in record:
                return ()
            value = record[key]
            if value is None:
                continue
            if expected is object:
                facts.append(f"{key} is there")
                continue
            if type(value) not in (expected if isinstance(expected, tuple) else (expected,)):
                return ()
            facts.append(f"{key} is {_TYPE_NAMES[type(value)]}")
        return tuple(facts)

    return recognise


def without(recognise: Recogniser, *absent: str) -> Recogniser:
    """Returns `recognise` for the records that have none of the fields `absent`, null or not."""
    return lambda record: () if any(key in record for key in absent) else recognise(record)


def given(recognise: Recogniser, *any_of: str) -> Recogniser:
    """Returns `recognise` for the records in which one of the fields `any_of` is not null.

    Where two layouts differ in the types of these fields only, nulls alone must not make them draw.
    """
    return lambda record: (
        recognise(record) if any(record.get(k) is not None for k in any_of) else ()
    )


def either(*recognisers: Recogniser) -> Recogniser:
    """Returns a recogniser for layouts with several spellings: the facts of the best one."""
    return lambda record: max((recognise(record) for recognise in recognisers), key=len)


def rest(record: Record, *used: str) -> dict[str, Any]:
    """Returns the fields of `record` that no column holds, for `meta`."""
    return {key: value for key, value in record.items() if key not in used}
