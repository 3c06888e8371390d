"""Chat templates that only pass messages on, rendered once for each shape of a conversation.

Most templates never look at what a message says: they write it between words of their own. Such a
template is run once for each sequence of roles, on contents that note whether anybody looks at them;
if nobody does, what it wrote is the frame for every conversation of that shape.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from prefdata.tokens.template import Conversation, apply_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARK = re.compile("\x02(\\d+)\x03")
_MOST_SHAPES = 4096
# whatever else a template does with a content either notes it (`_Unseen`) or is among these
_HARMLESS_NODES = frozenset(
    {
        *("Template", "Output", "TemplateData", "Const", "Name", "NSRef", "Getitem", "Getattr"),
        *("For", "If", "CondExpr", "Assign", "Compare", "Operand", "And", "Or", "Not", "Test"),
        *("Add", "Sub", "Neg", "Mod", "List", "Tuple", "Dict", "Pair", "Slice", "Filter", "Call"),
        *("Keyword",),
    }
)
_TESTS_OF_TYPE = frozenset({"defined", "undefined", "none", "string", "mapping", "number"})
_FILTERS_OF_SIZE = frozenset({"length", "count"})


class Skeletons:
    """Renders conversations of messages with a role, a content and nothing else, without tools.

    Args:
        tokenizer: its chat template is the one to render.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._probe = _probe(tokenizer)
        self._skeletons: dict[tuple[Any, ...], _Skeleton | None] = {}

    def render(self, messages: Conversation, *, generation_prompt: bool) -> str:
        """Returns the text of a conversation, special tokens included.

        Raises:
            InputError: the template refuses the messages.
        """
        if self._probe is None:
            return self._apply(messages, generation_prompt=generation_prompt)
        contents = [message["content"] for message in messages]
        shape = (generation_prompt, *(message["role"] for message in messages))
        skeleton = self._skeletons.get(shape)
        if skeleton:
            return skeleton.filled(contents)
        text = self._apply(messages, generation_prompt=generation_prompt)
        if shape not in self._skeletons and len(self._skeletons) < _MOST_SHAPES:
            found = self._probe.skeleton(shape[1:], generation_prompt=generation_prompt)
            self._skeletons[shape] = found if found and found.filled(contents) == text else None
        return text

    def _apply(self, messages: Conversation, *, generation_prompt: bool) -> str:
        return apply_template(
            self._tokenizer, messages, {"tools": None}, generation_prompt=generation_prompt
        )


class _Skeleton(NamedTuple):
    """A rendered conversation without what is said: words, number of a message, words, ..."""

    words: list[str]
    order: list[int]

    def filled(self, contents: Sequence[str]) -> str:
        parts = self.words.copy()
        parts[1::2] = [contents[number] for number in self.order]
        return "".join(parts)


class _Probe:
    """A template that can be run on contents nobody may look at."""

    def __init__(self, environment: Any, source: str, variables: Mapping[str, Any]) -> None:
        self._seen: list[str] = []
        self._template = _watched(environment, self._seen).from_string(source)
        self._variables = variables

    def skeleton(self, roles: Sequence[str], *, generation_prompt: bool) -> _Skeleton | None:
        self._seen.clear()
        messages = [
            {"role": role, "content": _Unseen(f"\x02{number}\x03", self._seen)}
            for number, role in enumerate(roles)
        ]
        try:
            text = self._template.render(
                messages=messages, tools=None, documents=None,
                add_generation_prompt=generation_prompt, **self._variables,
            )  # fmt: skip
        # templates are programs of strangers; what they raise is told by the one who renders for good
        except Exception:  # noqa: BLE001
            return None
        if self._seen:
            return None
        words = _MARK.split(text)
        return _Skeleton(words, [int(number) for number in words[1::2]])


class _Unseen(str):
    """A text that may be joined to others and written; any other use of it is noted."""

    _seen: list[str]

    def __new__(cls, text: str, seen: list[str]) -> _Unseen:
        new = super().__new__(cls, text)
        object.__setattr__(new, "_seen", seen)
        return new

    def __str__(self) -> str:
        return str.__str__(self)

    def __add__(self, other: Any) -> _Unseen:
        return _Unseen(str.__add__(self, other), _seen(self))

    def __radd__(self, other: Any) -> _Unseen:
        return _Unseen(str.__add__(other, self), _seen(self))

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattribute__(name)
        return _note(self, name)


def _seen(text: _Unseen) -> list[str]:
    found: list[str] = object.__getattribute__(text, "_seen")
    return found


def _note(text: _Unseen, what: str) -> NoReturn:
    _seen(text).append(what)
    raise LookupError(f"the template looks at a message: {what}")


def _noting(name: str) -> Any:
    def method(self: _Unseen, *_: Any) -> NoReturn:
        _note(self, name)

    return method


for _name in (
    *(
        "repr",
        "bool",
        "len",
        "iter",
        "contains",
        "getitem",
        "hash",
        "format",
        "mul",
        "rmul",
        "mod",
        "rmod",
    ),
    *("eq", "ne", "lt", "le", "gt", "ge"),
):
    setattr(_Unseen, f"__{_name}__", _noting(_name))


def _holds_unseen(value: Any) -> bool:
    from jinja2.runtime import Context

    if isinstance(value, Context):  # goes to every call, and no function reads messages from it
        return False
    if isinstance(value, Mapping):
        return any(map(_holds_unseen, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_unseen, value))
    return isinstance(value, _Unseen)


def _watched(environment: Any, seen: list[str]) -> Any:
    """Returns the environment with what is written in C, and so could look unnoticed, guarded."""

    def guarded(function: Any, name: str) -> Any:
        @wraps(function)  # keeps what jinja wants to know of its arguments
        def call(*args: Any, **kwargs: Any) -> Any:
            if _holds_unseen([*args, *kwargs.values()]):
                seen.append(name)
            return function(*args, **kwargs)

        return call

    def all_guarded(functions: Mapping[str, Any], harmless: Container[str]) -> dict[str, Any]:
        return {
            name: function if name in harmless else guarded(function, name)
            for name, function in functions.items()
        }

    watched = environment.overlay()
    watched.filters = all_guarded(environment.filters, _FILTERS_OF_SIZE)
    watched.tests = all_guarded(environment.tests, _TESTS_OF_TYPE)
    watched.call = guarded(environment.call, "call")
    watched.getitem = _guarded_item(environment, seen)
    return watched


def _guarded_item(environment: Any, seen: list[str]) -> Any:
    def getitem(value: Any, key: Any) -> Any:
        if isinstance(key, _Unseen):
            seen.append("key")
        return environment.getitem(value, key)

    return getitem


def _probe(tokenizer: Any) -> _Probe | None:
    """Returns the tokenizer's template as a probe, or None if it may look at messages unnoticed."""
    from transformers import PreTrainedTokenizerBase

    source = tokenizer.chat_template
    usual = type(tokenizer).apply_chat_template is PreTrainedTokenizerBase.apply_chat_template
    if not usual or not isinstance(source, str) or "\x02" in source:
        return None
    try:
        # transformers offers no other way to its environment; without it templates run as usual
        from transformers.utils.chat_template_utils import _compile_jinja_template

        environment = _compile_jinja_template(source).environment
    except (ImportError, AttributeError):
        return None
    if not _is_harmless(environment.parse(source)):
        return None
    return _Probe(environment, source, tokenizer.special_tokens_map)


def _is_harmless(tree: Any) -> bool:
    """Returns whether all that a template does with a content is noted, if it is not joining it."""
    from jinja2 import nodes

    return all(
        type(node).__name__ in _HARMLESS_NODES
        and (not isinstance(node, nodes.Mod) or _is_number(node.right))
        and (not isinstance(node, nodes.Compare) or not _looks_for_a_name(node))
        for node in tree.find_all(nodes.Node)
    )


def _looks_for_a_name(node: Any) -> bool:
    """Returns whether a comparison looks for something other than a constant in something else."""
    from jinja2 import nodes

    searches = any(operand.op in ("in", "notin") for operand in node.ops)
    return searches and not isinstance(node.expr, nodes.Const)


def _is_number(node: Any) -> bool:
    from jinja2 import nodes

    return isinstance(node, nodes.Const) and isinstance(node.value, int)
