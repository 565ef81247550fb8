"""What the collections of a workspace have alike: they are looked into by name."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from headstart.context import Context
from headstart.errors import NotFound
from headstart.registry import listing
from headstart.registry.selection.words import ALL, Selection
from headstart.values.arguments import checks_arguments
from headstart.values.showable import Results, Showable

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")
R = TypeVar("R", bound="Named")
Rows = list[dict[str, Any]]
SHOWN = 5
"""Names in a line."""


class Named(Protocol):
    """A record of the registry."""

    @property
    def name(self) -> str: ...


@checks_arguments
class Collection(Showable, Generic[T, R]):
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

    @abstractmethod
    def _records(self) -> Sequence[R]:
        """All of them, as the registry has them."""

    @abstractmethod
    def _made(self, record: R) -> T:
        """What people have in hand of one."""

    def list(
        self,
        filter: str | Sequence[str] = (),
        sort: str | None = None,
        limit: int | None = None,
    ) -> Results[T]:
        """What there is, all versions.

        Args:
            filter: what is to hold of them, one or several: `"tag.team=a"`, `"parameters<1e7"` of
                backbones, `"samples>=1000"` of datasets, `"accuracy>=0.9"` of heads; the fields are
                those of `headstart backbone|dataset|head list --json`.
            sort: by which field: numbers and times from the largest down, texts from A on;
                `"FIELD:asc"` and `"FIELD:desc"` say how.
            limit: at most so many.

        Raises:
            InvalidValue: there is no such field, or it is not compared so.
        """
        selection = Selection.read(filter, sort, limit)
        return Results(self._made(record) for record in self._chosen(selection))

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

    def _ipython_key_completions_(self) -> Sequence[str]:
        """What may stand in brackets: names and aliases."""
        rows = self._rows()
        aliases = (alias for row in rows for alias in row.get("aliases", ()))
        return list(dict.fromkeys([*(row["name"] for row in rows), *aliases]))

    def _rows(self, selection: Selection = ALL) -> Rows:
        return getattr(listing, self._table)(self._context.config, selection)

    def _chosen(self, selection: Selection) -> Sequence[R]:
        """The records that are meant, in order."""
        known = self._records()
        if selection == ALL:
            return known
        by_name = {(one.name, getattr(one, "version", 1)): one for one in known}
        names = ((row["name"], row.get("version", 1)) for row in self._rows(selection))
        return [by_name[name] for name in names if name in by_name]

    def _facts(self) -> Rows:
        """As `headstart … list --json` has it."""
        return self._rows()

    def _line(self) -> str:
        known = listing.glance(self._context.config)
        if known is None:
            return f"of {str(self._context.config.root)!r}"
        names = known[self._table]
        more = ", …" if len(names) > SHOWN else ""
        return f"{len(names):,}: {', '.join(names[:SHOWN])}{more}" if names else "none"
