"""How the samples of a dataset come into their splits: as the source says, or dealt out.

Three things are stored among a dataset's options. `split` is what somebody asked for, or what was
found: `folders`, where splits are folders. `deal` is how samples are dealt out of which the source
does not say the split, `seed` what that begins with. Datasets that hold no `deal` are from before
there was a choice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headstart.errors import DatasetError, InvalidSplit
from headstart.extractors.datasets.labels import are_classes, have_fractions, several_in
from headstart.extractors.datasets.source import DatasetSource, Option, Options
from headstart.notices import tell
from headstart.registry.names import nearest
from headstart.storage.manifest import Label
from headstart.storage.samples import SPLIT_SHARES
from headstart.values.options import taken
from headstart.values.showable import brief

SPLIT = Option(
    "split",
    "How samples are split: 70/10/20 or another ratio, `stratified`, `hash`, `kfold:K[:I]`, "
    "`column:NAME`, `folders` or `none`.",
    metavar="HOW",
)
FOLDERS, COLUMN, NONE, HASH, STRATIFIED, KFOLD = (
    "folders",
    "column",
    "none",
    "hash",
    "stratified",
    "kfold",
)
WAYS = (STRATIFIED, HASH, KFOLD, COLUMN, FOLDERS, NONE)
WITH_MORE = {
    KFOLD: "kfold:5, the first of five folds to test on, or kfold:5:2, the second",
    COLUMN: "column:NAME, for the column that says the splits",
    STRATIFIED: "stratified, or stratified:60/20/20",
    HASH: "hash, or hash:60/20/20",
    FOLDERS: "folders",
    NONE: "none",
}
KNOWN = "70/10/20, stratified, hash, kfold:5, column:NAME, folders, none"
BEFORE = "before"
"""The `deal` of a dataset from before there was a choice: by hash, whatever the folders are called;
groups and splits of arrays are not looked for."""
UNSETTLED = "unsettled"
"""The `deal` of a dataset that is being added, where it follows from its labels."""
MANY = 50_000
"""Samples from which on splits are by hash, unless somebody says otherwise."""
VOIDED = "voided"
"""Of a dataset that was dealt anew: the heads that had been trained on it, `name:version`."""
OWN_SPLITS = "own_splits"
"""Whether a dataset's source says the splits of `all` of its samples or of `some`, besides folders
and columns that were named; not stored where it says none."""
USUAL = "usual_split"
"""While a dataset is added: how it is split by default, where the source says nothing; not stored.
"""
SHARES = re.compile(r"\d+(\.\d+)?(/\d+(\.\d+)?){1,2}")
GROUPING = ("group_column", "group_pattern")


@dataclass(frozen=True)
class Rule:
    """How samples are dealt out.

    Attributes:
        way: `stratified`, `hash`, `kfold`, `none`, or `unsettled`.
        shares: of train, validation and test; 1 together.
        folds: of `kfold`.
        fold: the one that is tested on, from 1.
        seed: what the order of the samples is made of, besides their content.
    """

    way: str
    shares: tuple[float, ...] = SPLIT_SHARES
    folds: int = 0
    fold: int = 1
    seed: int = 0
    spelled: str = ""

    @property
    def text(self) -> str:
        """As it is stored."""
        more = f":{self.spelled}" if self.spelled else ""
        return f"{self.way}{more}"

    @property
    def remembers(self) -> bool:
        """Whether a sample's split depends on the others, and has to be kept."""
        return self.way in (STRATIFIED, KFOLD)

    def check_folds(self, units: int) -> None:
        """See that none of its folds is empty.

        Raises:
            InvalidSplit: there are fewer units than folds.
        """
        if self.folds > units:
            raise InvalidSplit(
                f"there are {self.folds:,} folds for {units:,} samples (copies, and what is of one "
                "group, count once)",
                hint="Give fewer folds, such as kfold:5.",
            )


def rule_of(options: Options, labels: Collection[Label | None]) -> Rule:
    """How samples are dealt out, by a dataset's options.

    Args:
        options: with `deal` and `seed`.
        labels: of all samples.

    Raises:
        DatasetError: the samples have numbers for labels and are to be stratified.
    """
    deal = options.get("deal", UNSETTLED)
    rule = replace(_parsed(HASH if deal == BEFORE else deal), seed=int(options.get("seed", 0)))
    if rule.way == UNSETTLED:
        is_usual = len(labels) < MANY and (are_classes(labels) or bool(several_in(set(labels))))
        return replace(rule, way=STRATIFIED if is_usual else HASH)
    is_said = not {"split", USUAL}.isdisjoint(options)
    if is_said and rule.way == STRATIFIED and have_fractions(labels):  # of `25.0` it may be meant
        raise DatasetError(
            f"labels that are numbers cannot be split {rule.text}",
            hint="Take --split hash, or a ratio such as 70/10/20.",
        )
    return rule


def usual(source: type[DatasetSource], text: str, seed: int = 0) -> dict[str, Any]:
    """As `asked`, of what is a default, which takes no splits away that the source says."""
    how = asked(source, text, seed)
    if ignores_own(how):
        how[USUAL] = how.pop("split")
    return how


def asked(source: type[DatasetSource], text: str | None, seed: int = 0) -> dict[str, Any]:
    """The options of a new dataset that say how it is split, as it is asked for.

    Args:
        source: the kind.
        text: as it was given; None to look at what the source says.
        seed: as it was given.

    Raises:
        DatasetError: there is no such way, or not for this kind.
    """
    seeded = {"seed": seed} if seed else {}
    if text is None:
        return {"deal": UNSETTLED, **seeded}
    way, _, rest = text.partition(":")
    if way == FOLDERS and not rest:
        if FOLDERS not in getattr(source, "own_splits", ()):
            raise DatasetError(
                f"a dataset of kind {source.kind} has no folders that could be splits",
                hint="--split folders is for folders of train, val and test.",
            )
        return {"split": FOLDERS, "deal": UNSETTLED, **seeded}
    if way == COLUMN and rest:
        if "split_column" not in {option.name for option in source.options}:
            raise DatasetError(
                f"a dataset of kind {source.kind} has no columns that could hold splits",
                hint=f"--split {COLUMN}:NAME is for tables.",
            )
        return {"split": text, "split_column": rest, "deal": UNSETTLED, **seeded}
    rule = _parsed(text)
    _tell_of_sum(rule.spelled if rule.way != KFOLD else "")
    return {"split": rule.text.removeprefix(f"{UNSETTLED}:"), "deal": rule.text, **seeded}


def spelled(split: Any) -> str | None:
    """How samples are to be split, as a text: a ratio may be given as numbers, (60, 20, 20).

    Raises:
        DatasetError: it is something else.
    """
    if split is None or isinstance(split, str):
        return split
    if isinstance(split, tuple | list) and len(split) in (2, 3):
        return "/".join(f"{taken('split', one, 'float', InvalidSplit):g}" for one in split)
    raise DatasetError(
        f"split is {brief(split)}, of type {type(split).__name__}", hint=f"There are {KNOWN}."
    )


def checked_seed(seed: Any) -> int | None:
    """A whole number, if there is one.

    Raises:
        DatasetError: it is something else.
    """
    return None if seed is None else taken("seed", seed, "int", InvalidSplit)


def joined(given: Options, how: Options) -> dict[str, Any]:
    """The options of a source with those that say how it is split.

    Raises:
        DatasetError: they name different columns.
    """
    column = given.get("split_column")
    if column is not None and how.get("split_column", column) != column:
        raise DatasetError(
            f"--split {how['split']} and --split-column {column} name different columns",
            hint="Leave one of them out.",
        )
    return {**given, **how}


def _parsed(text: str) -> Rule:
    """A way to deal samples out.

    Raises:
        DatasetError: it is none.
    """
    way, _, rest = text.partition(":")
    if SHARES.fullmatch(text):
        way, rest = UNSETTLED, text
    if way in (STRATIFIED, HASH, UNSETTLED) and (not rest or SHARES.fullmatch(rest)):
        return Rule(way, _shares(rest), spelled=rest)
    if way == KFOLD and re.fullmatch(r"\d+(:\d+)?", rest):
        folds, _, fold = rest.partition(":")
        number = int(fold or 1)
        if int(folds) < 2 or not 1 <= number <= int(folds):
            raise InvalidSplit(
                f"there is no fold {number} of {folds}",
                hint="kfold:5:2 tests on the second of five, kfold:5 on the first.",
            )
        return Rule(KFOLD, folds=int(folds), fold=number, spelled=f"{int(folds)}:{number}")
    if way == NONE and not rest:
        return Rule(NONE)
    if way in WITH_MORE:
        raise InvalidSplit(
            f"--split {text!r} says too little or too much",
            hint=f"Such as {WITH_MORE[way]}.",
        )
    raise InvalidSplit(
        f"no way to split is called {text!r}",
        hint=nearest(text, WAYS) or f"There are {KNOWN}.",
    )


def _tell_of_sum(ratio: str) -> None:
    """Say what a ratio is taken for that adds up to neither 1, 10 nor 100: it may be a slip."""
    total = sum(float(part) for part in ratio.split("/")) if ratio else 1
    if round(total, 6) not in (1, 10, 100):
        shares = "/".join(f"{100 * share:.3g}" for share in _shares(ratio) if share)
        tell(f"the ratio {ratio} adds up to {total:g}, and is taken for {shares} %")


def _shares(text: str) -> tuple[float, ...]:
    """Of train, validation and test, from `70/10/20`, or `80/20` without validation.

    Raises:
        DatasetError: nothing is left to train on.
    """
    if not text:
        return SPLIT_SHARES
    parts = [float(part) for part in text.split("/")]
    train, validation, test = parts if len(parts) == 3 else (parts[0], 0.0, parts[1])
    if not train:
        raise DatasetError(
            f"the ratio {text} leaves nothing to train on", hint="Such as 70/10/20 or 80/20."
        )
    return tuple(part / (train + validation + test) for part in (train, validation, test))


def settled(
    options: Options, found: Mapping[str, Any], labels: Collection[Label | None]
) -> dict[str, Any]:
    """The options as they are stored: what was found in the source is not looked for again.

    Args:
        options: with which the dataset was added.
        found: options that the source found out.
        labels: of all samples.
    """
    is_before = options.get("deal") == BEFORE
    dealt = {} if is_before else {"deal": rule_of(options, labels).text}
    stored = {**options, **dealt, **found}
    usual = stored.pop(USUAL, None)
    if usual is not None and OWN_SPLITS not in found and "split" not in found:
        stored["split"] = usual
    elif usual is not None:
        tell(f"the source says splits, which hold; {usual}, the default, is of samples without one")
    return stored


def as_stored(options: Options) -> dict[str, Any]:
    """The options of a registered dataset: one of before there was a choice is marked as such."""
    return {"deal": BEFORE, **options}


def is_before(options: Options) -> bool:
    """Whether a source is to be read as it was before there was a choice."""
    return options.get("deal") == BEFORE


def is_unsettled(options: Options) -> bool:
    """Whether a source may find out by itself what its splits are: nobody has said."""
    is_open = options.get("deal", UNSETTLED) == UNSETTLED or USUAL in options
    return "split" not in options and is_open


def ignores_own(options: Options) -> bool:
    """Whether what the source says of splits is not used, as samples are to be dealt out."""
    split = options.get("split")
    return split is not None and split != FOLDERS and not split.startswith(f"{COLUMN}:")


def is_same_way(stored: Options, split: str | None, seed: int | None, given: Options) -> bool:
    """Whether a dataset that is added again is to be split as it was, so that samples stay.

    Args:
        stored: its options.
        split: as it was given.
        seed: as it was given.
        given: the other options as they were given; groups belong to the way.
    """
    known = said_of(stored)
    is_same = split is None or split in (known, known.removesuffix(":1"))
    is_seed = seed is None or seed == stored.get("seed", 0)
    return is_same and is_seed and all(stored.get(n) == given.get(n) for n in GROUPING)


def split_options(options: Options) -> dict[str, Any]:
    """Those of a dataset's stored options that say how it is split."""
    stored = as_stored(options)
    names = ["split", "deal", "seed", "departed", "layout", VOIDED]
    names += ["split_column"] if str(options.get("split")).startswith(f"{COLUMN}:") else []
    return {name: stored[name] for name in names if name in stored}


def voided_in(options: Options) -> list[str]:
    """The heads whose scores are of splits that a dataset had before it was dealt anew."""
    return list(options.get(VOIDED, ()))


def voiding(options: Options, heads: Iterable[str]) -> dict[str, Any]:
    """The options of a dataset that is dealt anew, with the heads whose scores are void by that."""
    voided = list(dict.fromkeys([*voided_in(options), *heads]))
    return {**options, **({VOIDED: voided} if voided else {})}


def words_of(options: Options) -> str:
    """How a dataset's samples came into their splits, in words."""
    how = said_of(options)
    if how == FOLDERS:
        return "as the folders say"
    if how.startswith(f"{COLUMN}:"):
        return f"as the column {how.partition(':')[2]!r} says"
    dealt = "by hash of the content" if how == HASH else how
    own = options.get(OWN_SPLITS)
    if own is not None:
        return "as its source says" + ("" if own == "all" else f"; {dealt} where it says nothing")
    return f"{dealt}, where nothing is said" if how == HASH else dealt


def said_of(options: Options) -> str:
    """How a dataset is split: `folders`, `stratified`, `hash`."""
    how = str(options.get("split") or options.get("deal", BEFORE))
    return HASH if how == BEFORE else how
