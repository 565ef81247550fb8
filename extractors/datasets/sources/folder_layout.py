"""What the folders of a folder are: classes, or splits that hold the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.errors import DatasetError
from headstart.extractors.datasets.rows import find_split
from headstart.extractors.datasets.source import Options
from headstart.extractors.datasets.sources.trees import Place, Tree
from headstart.extractors.datasets.split_rule import FOLDERS, HASH, ignores_own, is_before

SPLIT_FOLDERS, CLASS_FOLDERS = "splits", "classes"
"""What is stored of a layout, so that it is not looked for again."""
NAMED = 4
"""Folders that are named in one message."""


@dataclass(frozen=True)
class ClassFolder:
    """A folder whose files are samples of one class; `split` is None where it says none, and
    `label` in a folder that has no class folders."""

    path: Place
    label: str | None
    split: str | None = None


@dataclass(frozen=True)
class Layout:
    """What a folder holds.

    Attributes:
        classes: its class folders, in order.
        splits: the folders that are splits, by name; none where it holds the classes itself.
        loose: files and folders at the top that are neither.
    """

    classes: tuple[ClassFolder, ...]
    splits: tuple[str, ...] = ()
    loose: tuple[Place, ...] = ()


def layout_of(tree: Tree, options: Options) -> Layout:
    """The class folders of a folder, and how they are split.

    Args:
        tree: the folder.
        options: `layout` is what the folders were found to be, `split` may say it; else they are
            looked at.

    Raises:
        DatasetError: it is no folder, or it cannot be told what its folders are.
    """
    tree.check()
    folders, files = tree.inside(tree.root)
    if not folders:
        return Layout((ClassFolder(tree.root, None),))
    if not _are_splits(tree, folders, options):
        return Layout(tuple(ClassFolder(one, one.name) for one in folders), loose=tuple(files))
    splits = [one for one in folders if find_split(one.name)]
    if not splits:
        raise DatasetError(
            f"{tree.root} holds no folders that are called like splits",
            hint="Such as train, val, test; without --split folders, its folders are classes.",
        )
    return _of_splits(splits, [*(one for one in folders if one not in splits), *files], tree)


def _of_splits(splits: Sequence[Place], loose: list[Place], tree: Tree) -> Layout:
    """Splits that all hold class folders, or all hold files without labels."""
    classes: list[ClassFolder] = []
    names = tuple(one.name for one in splits)
    inside = [tree.inside(folder) for folder in splits]
    if not any(found for found, _ in inside):
        parts = tuple(ClassFolder(one, None, find_split(one.name)) for one in splits)
        return Layout(parts, names, tuple(loose))
    for folder, (found, files) in zip(splits, inside, strict=True):
        if not found:
            raise DatasetError(
                f"the split folder {folder} holds no class folders",
                hint=f"Expected: {folder.name}/class/picture.jpg; move it elsewhere, or its files "
                "into folders of their classes.",
            )
        classes += [ClassFolder(one, one.name, find_split(folder.name)) for one in found]
        loose += files
    return Layout(tuple(classes), names, tuple(loose))


def _are_splits(tree: Tree, folders: Sequence[Place], options: Options) -> bool:
    """Whether the folders are splits, as they were said or found to be, or by their names."""
    known = options.get("layout")
    if options.get("split") == FOLDERS or known is not None or is_before(options):
        return options.get("split") == FOLDERS or known == SPLIT_FOLDERS
    named = [one.name for one in folders if find_split(one.name)]
    others = [one.name for one in folders if one.name not in named]
    if not named:
        return False
    if not others and any(tree.inside(one)[0] for one in folders):
        return True
    if ignores_own(options):  # whoever deals samples out takes the folders for classes
        return False
    if others:
        raise _asked(
            tree.root,
            named,
            f", next to {_few(others)}",
            f"if a split: --split {FOLDERS}, which leaves out {_few(others)}; "
            f"if a class like the others: --split {HASH}.",
        )
    raise _asked(
        tree.root,
        named,
        ": no class folders are in there",
        f"if splits, without labels: --split {FOLDERS}; if classes: --split {HASH}.",
    )


def _asked(root: Place, named: Sequence[str], why: str, hint: str) -> DatasetError:
    which = "a class or a split" if len(named) == 1 else "classes or splits"
    return DatasetError(
        f"{root}: {_few(named)} may be {which}{why}", hint=f"{hint[:1].upper()}{hint[1:]}"
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" * (len(names) > NAMED))
