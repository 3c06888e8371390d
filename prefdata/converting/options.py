"""How a source is read: what the person said about it, and what its first rows show."""

from __future__ import annotations

from msgspec import Struct

from prefdata.converting.join import Join
from prefdata.errors import FormatError
from prefdata.formats import LAYOUTS, Layout, Options
from prefdata.pairing import Pairing
from prefdata.types import Origin

MAPPED = "mapped"


class ConvertOptions(Struct, frozen=True, kw_only=True):
    """How to read: everything that the data does not say by itself."""

    layout: str | None = None
    reading: Options = Options()
    pairing: Pairing = Pairing()
    allow_evaluation_set: bool = False
    encoding: str | None = None
    joins: tuple[Join, ...] = ()
    licence: str | None = None
    source_url: str | None = None

    def forced(self) -> Layout | None:
        """Returns the layout that was named, by `layout` or by a mapping.

        Raises:
            FormatError: both were given.
        """
        if self.reading.mapping is None:
            return LAYOUTS.get(self.layout) if self.layout else None
        if self.layout not in (None, MAPPED):
            raise FormatError(
                "--from and --map both say how to read the columns", hint="give one of the two"
            )
        return LAYOUTS.get(MAPPED)


class Source(Struct, frozen=True):
    """What all blocks of a source share.

    Attributes:
        name: the name of the set, for origins.
        file: what the person named.
        home: the name of the only layout its first rows have, None if they have several.
    """

    name: str
    file: str
    home: str | None = None

    def origin(self, number: int) -> Origin:
        """Returns where row `number` of the source comes from."""
        return Origin(self.name, self.file, number)
