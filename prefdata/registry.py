"""One small registry for everything that is added as a file: formats, rules, renderers, losses.

A registry scans its package once, on first use, and then asks the installed distributions for entry
points of the same name. So a new format is a new module in `prefdata/formats`, or a function in
somebody else's package under `[project.entry-points."prefdata.formats"]`; nothing else is edited.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from prefdata.errors import PrefError

T = TypeVar("T")


def did_you_mean(word: str, known: list[str]) -> str | None:
    """Returns `did you mean 'x'?` for the closest known word, or None."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else None


class Registry(Generic[T]):
    """Named items of one kind, found by importing every module of `package`.

    Args:
        kind: what an item is called in messages, e.g. `format`.
        package: dotted name of the package to scan, also the entry point group.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._items: dict[str, T] = {}
        self._modules: dict[str, str] = {}
        self._loaded = False

    def add(self, name: str, item: T, module: str) -> None:
        """Registers `item`; a second module with the same name is an error that names both."""
        other = self._modules.get(name)
        if other is not None and other != module:
            raise PrefError(f"{self.kind} '{name}' is defined in both {other} and {module}")
        self._items[name] = item
        self._modules[name] = module

    def load(self) -> None:
        """Imports the package's modules and the plugins, in name order: all of them, or it fails.

        Raises:
            PrefError: one of them cannot be imported; again each time, until it can.
        """
        if self._loaded:
            return
        self._loaded = True  # for modules that ask the registry while they are being imported
        try:
            package = importlib.import_module(self.package)
            for name in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
                module = f"{self.package}.{name}"
                self._import(module, partial(importlib.import_module, module))
            for point in sorted(entry_points(group=self.package), key=lambda point: point.name):
                self._import(f"{point.name} = {point.value}", point.load)
        except BaseException:
            self._loaded = False
            raise

    def _import(self, place: str, load: Callable[[], object]) -> None:
        try:
            load()
        except PrefError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise PrefError(
                f"the {self.kind}s cannot be loaded: {place}: {reason}",
                hint="install what it needs, or remove the package that it belongs to",
            ) from error

    def get(self, name: str) -> T:
        """Returns the item called `name`.

        Raises:
            PrefError: there is none; the hint names the closest one.
        """
        self.load()
        if name not in self._items:
            hint = did_you_mean(name, list(self._items)) or f"known: {', '.join(self.names())}"
            raise PrefError(f"there is no {self.kind} '{name}'", hint=hint)
        return self._items[name]

    def names(self) -> list[str]:
        """Returns all names, sorted."""
        self.load()
        return sorted(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter([self._items[name] for name in self.names()])
