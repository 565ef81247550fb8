"""The seam of datasets: what a kind of source is.

A class for each kind; an instance is one opened source. To add a kind: a file like
`sources/folders.py`, and a line in `kinds.py`, or an entry point in the group `headstart.sources`.

**Who calls what.** `dataset add` asks every class to `recognise` the source, checks what it was
told against the `options` of the surest one, makes an instance and goes once through `scan`, then
asks for what is `unused`. `dataset refresh`, and with it every `extract`, first compares `stamp`,
and goes through `scan` again if that changed or is not known. `extract`, `verify`, `audit` and
others `read` samples by the location that the manifest holds. `head predict` goes through
`locations` and reads each; it needs no labels.

**What may be assumed.** Making an instance reads nothing and never fails: the source may be away
while its features are used from the cache. Options are those that the class declares, as `checked`
leaves them, and those of `split_rule`; those of old datasets may hold more. Instances are not kept
between commands, and a source may change between any two calls.

**Threads.** `read` and `digest` are called from several threads at once; the others from one.

**What may be there besides.** `own_splits`, of the class: the ways to split that are its own, such
as `folders`. `takes_addresses`, of a class of ours: whether the source may lie in a store or on the
web; locations that are addresses are read many at once. `own_root(source)`, of the class: the
folder outside of which nothing is read where no `root` was given; it is stored as one. `found`, of
an instance after `scan`: options that it found out, which are stored with those that were given, so
that a source which is looked at again is read in the same way. `skipped`, after `scan`: in words,
the samples that were left out because the option `on_error` is `skip`. `beginning(location, size)`:
the first bytes of a sample that is no file of its own, by which it is told whether pictures lie on
their side.

**Errors.** `scan`, `locations` and `unused` raise `DatasetError` that names the file and line.
`read` raises `SampleChanged` where the content is gone, `SampleUnreadable` where it is there and
cannot be had. Nothing is skipped in silence: what a source holds and does not use is in `unused`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from headstart.storage.manifest import Label

Options = Mapping[str, Any]
Location = str | int
MANY = ("texts", "settings")
"""What an option takes that may be given several times."""
FETCHED = "fetched"
"""Among a dataset's options: what was fetched, as `Fetched.to_json` has it; a source is told
nothing of it but that its file, or folder, lay at an address."""
SURE, LIKELY, NO = 1.0, 0.5, 0.0
"""How sure a class is that a source is its own: by a mark that no other has; by its suffix, or as
it is a folder; not at all."""


@dataclass(frozen=True)
class Option:
    """Something that `dataset add` can be told about a source.

    Attributes:
        name: in Python; on the command line with dashes.
        help: for the command line.
        takes: a `text`; `texts`, one or more; `settings`, texts KEY=VALUE without secrets; an
            existing or future `file`; a `folder` that exists, or an address. Paths are made
            absolute before a source sees them.
        metavar: for the command line.
        elsewhere: why a kind of source that does not know it has no use for it: "arrays …".
    """

    name: str
    help: str
    takes: Literal["text", "texts", "settings", "file", "folder"] = "text"
    metavar: str | None = None
    elsewhere: str = ""

    @property
    def flag(self) -> str:
        """As it is written on the command line; `values` are given one by one."""
        name = self.name.removesuffix("s") if self.takes in MANY else self.name
        return f"--{name.replace('_', '-')}"


class Entry(NamedTuple):
    """A sample as the source lists it.

    Attributes:
        id: stable and unique in the dataset.
        location: what `read` finds it by: a path, a row's number, or a text of the source's own.
        stat: whatever changes when the content does, such as `stat_of` a file; a location whose
            `stat` is that of before is not digested again. Empty if nothing is known.
        label: class name or number.
        split: as the source says it; by content if it says nothing.
        group: as the source says it; samples of one group stand in one split.
        digest: of the content, where it was at hand; None to have `digest` asked for it.
        weight: for how many samples it counts where heads are trained; None for 1.
    """

    id: str
    location: Location
    stat: tuple[int, ...]
    label: Label | None
    split: str | None = None
    group: str | None = None
    digest: str | None = None
    weight: float | None = None


class DatasetSource(Protocol):
    """One opened source; see the module for who calls what.

    Attributes:
        kind: its name, stored with datasets for ever.
        what: it takes, for messages: "a folder of class folders".
        options: that it knows; all others are refused.
        splits_may_move: whether it may say another split of a location than before, or none any
            more; if not, as where the split is a folder, a sample that is as before is not dealt
            out again, which saves a hash a sample.
        source: the absolute path, or an address such as `hf:ID`, as it was given.
    """

    kind: ClassVar[str]
    what: ClassVar[str]
    options: ClassVar[tuple[Option, ...]]
    splits_may_move: ClassVar[bool]

    source: str

    def __init__(self, source: str, options: Options) -> None: ...

    @staticmethod
    def recognise(source: str) -> float:
        """How sure it is that a source is of this kind, from 0 to 1; by names and first bytes, in
        milliseconds. Never fails, whatever the text is."""
        ...

    def stamp(self) -> tuple[int, ...]:
        """The `stat` that all samples share, if the source changes as a whole; else empty."""
        ...

    def scan(self) -> Iterator[Entry]:
        """All samples in a stable order, one after the other, with their labels."""
        ...

    def digest(self, location: Location) -> str:
        """The digest of a sample's content, as `storage.keys.digest_of` gives it."""
        ...

    def locations(self) -> Iterator[Location]:
        """Where each sample is, in order; labels may be missing, and no content is looked at."""
        ...

    def read(self, location: Location) -> Any:
        """A sample's raw content: bytes of a file or a text, an array, or those by input name."""
        ...

    def unused(self) -> Sequence[str]:
        """What it holds and has no use for, in words: "column 'photographer'"."""
        ...
