"""What the collections of a workspace have alike: they are looked into by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from headstart.context import Context
from headstart.errors import NotFound
from headstart.registry import listing
from headstart.registry.selection.words import ALL, Selection
from headstart.values.showable import Results, Showable

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")
R = TypeVar("R", bound="Named")
SHOWN = 5
"""Names in a line."""


class Named(Protocol):
    """A record of the registry."""

    @property
    def name(self) -> str: ...


class Collection(Showable, Generic[T]):
    """Things by name, as in a dictionary: `ws.heads["first"]`, `"first" in ws.heads`, `len`.

    To go through it gives the names; of a name with versions, the latest is meant. `list()` of a
    collection has all versions.
    """

    _table: str
    """Of `listing`, with the names."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @abstractmethod
    def get(self, reference: str) -> T:
        """The one of that name."""

    def __getitem__(self, reference: str) -> T:
        """As `get`.

        Raises:
            NotFound: nothing of that name is registered.
        """
        return self.get(reference)

    def __contains__(self, reference: object) -> bool:
        """Whether `get` would find it."""
        try:
            self.get(reference)  # type: ignore[arg-type]  # what is no name is refused there
        except NotFound:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(row["name"] for row in self._rows()))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        """True: a collection is there, whether or not something is in it."""
        return True

    def to_pandas(self) -> pandas.DataFrame:
        """A row for each version, with what `headstart … list --json` has of it.

        Raises:
            HeadstartError: pandas is not installed.
        """
        from headstart.values.frames import frame_of

        return frame_of(self._rows())

    def _ipython_key_completions_(self) -> list[str]:
        """What may stand in brackets: names and aliases."""
        rows = self._rows()
        aliases = (alias for row in rows for alias in row.get("aliases", ()))
        return list(dict.fromkeys([*(row["name"] for row in rows), *aliases]))

    def _rows(self, selection: Selection = ALL) -> list[dict[str, Any]]:
        return getattr(listing, self._table)(self._context.config, selection)

    def _chosen(self, known: Iterable[R], selection: Selection) -> Results[R]:
        """Those of all records that are meant, in order."""
        if selection == ALL:
            return Results(known)
        by_name = {(one.name, getattr(one, "version", 1)): one for one in known}
        names = ((row["name"], row.get("version", 1)) for row in self._rows(selection))
        return Results(by_name[name] for name in names if name in by_name)

    def _facts(self) -> list[dict[str, Any]]:
        """As `headstart … list --json` has it."""
        return self._rows()

    def _line(self) -> str:
        known = listing.glance(self._context.config)
        if known is None:
            return f"of {str(self._context.config.root)!r}"
        names = known[self._table]
        more = ", …" if len(names) > SHOWN else ""
        return f"{len(names):,}: {', '.join(names[:SHOWN])}{more}" if names else "none"
