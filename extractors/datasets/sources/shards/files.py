"""The files of a source that is made of several, with the splits that their names say."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from headstart.extractors.datasets.shard_names import files_of, name_of, splits_of, stamp_of
from headstart.extractors.datasets.source import Options
from headstart.extractors.datasets.split_rule import ignores_own, is_unsettled
from headstart.notices import tell


class ShardFiles:
    """The files of a source: one, those of a folder, or those of a pattern.

    Args:
        source: as it was given.
        options: of the dataset.
        named: how files of the kind are called in a folder.

    Raises:
        DatasetError: as `files_of` and `splits_of`.
    """

    def __init__(self, source: str, options: Options, named: re.Pattern[str]) -> None:
        self.source = source
        self._options = options
        self._named = named

    @cached_property
    def all(self) -> list[Path]:
        """Every file, in the order of the names."""
        return files_of(self.source, self._named)

    @cached_property
    def splits(self) -> dict[Path, str]:
        """The split of each file, as it is called; none where all files are of one split."""
        found = splits_of(self.all, self.source, is_used=not ignores_own(self._options))
        return found if len(set(found.values())) > 1 else {}

    @property
    def stamp(self) -> tuple[int, ...]:
        """By what a change of any is seen."""
        return stamp_of(self.all)

    def id_of(self, file: Path, name: str) -> str:
        """The id of a sample: its name in the file, behind the file's if there may be several."""
        above = name_of(file, self.source, self._named)
        return f"{above}/{name}" if above else name

    def say(self) -> None:
        """Tell what was made of the files' names, unless somebody said what to make of them."""
        if not is_unsettled(self._options):
            return
        named = splits_of(self.all, self.source)
        counts = {one: list(named.values()).count(one) for one in dict.fromkeys(named.values())}
        if len(counts) == 1:
            only = next(iter(counts))
            tell(f"{self.source}: all files are called {only}, and are dealt out")
        elif counts:
            said = ", ".join(f"{count:,} of {split}" for split, count in counts.items())
            tell(f"{self.source}: files are of splits by their names: {said}")
