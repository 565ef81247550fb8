"""`ws.backbones.add`: a source is opened, cut, fingerprinted, kept, registered and converted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.context import Context
from headstart.errors import AlreadyExists, InvalidBackboneSetting, NotFound
from headstart.extractors.backbones.registration import Read, Wanted, read_backbone
from headstart.extractors.preprocessing.medium import find_medium
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.steps.hub import family_of
from headstart.extractors.safety.first_load import unheard
from headstart.jobs.backbones.convert import convert_ahead
from headstart.jobs.backbones.register import (
    discard_unneeded,
    find_lost,
    kept_if_needed,
    register,
)
from headstart.jobs.backbones.text_tower import check_link
from headstart.jobs.backbones.trial import tried
from headstart.notices import tell, told_when_done, warn
from headstart.registry.entities import TEXT_BACKBONE, Backbone
from headstart.registry.names import check_name
from headstart.registry.references import label_of
from headstart.values.options import taken


def add(context: Context, name: str, source: str | Path | Any, wanted: Wanted) -> Backbone:
    """Register a backbone; the same name with another model is its next version.

    Args:
        context: where to.
        name: letters, digits, `.`, `_`, `-`.
        source: see `Backbones.add`.
        wanted: what is asked for of it.
    """
    check_name(name, "backbone")
    for said in ("cut", "orient", "licence"):
        if (value := getattr(wanted, said)) is not None:
            taken(said, value, "str", InvalidBackboneSetting)
    check_link(context, wanted.tags or {})
    plain = str(source) if isinstance(source, Path) else source
    if (folder := _find_folder_of_towers(plain)) is not None:
        return _add_towers(context, name, folder, wanted)
    # Held: the files are there before the rows that name them, and `features gc` leaves them alone.
    with kept_if_needed(context):
        read = _read(context, name, plain, wanted)
        backbone = register(context, read.backbone)
    _finish(context, read.backbone, backbone, wanted, read.graph)
    return backbone


def _read(context: Context, name: str, source: Any, wanted: Wanted) -> Read:
    read = read_backbone(name, source, context.artifacts, wanted)
    return tried(read, context.artifacts, _say(wanted))


def _finish(
    context: Context, read: Backbone, backbone: Backbone, wanted: Wanted, graph: Any = None
) -> None:
    discard_unneeded(context, read)
    convert_ahead(context, backbone, _say(wanted), graph)


def _say(wanted: Wanted) -> Callable[[str], None]:
    return wanted.first.say if wanted.first else unheard


def _find_folder_of_towers(source: Any) -> str | None:
    """The folder of a model of pictures and texts of which no tower is named; else None."""
    scheme, _, rest = source.partition(":") if isinstance(source, str) else ("", "", "")
    folder, _, query = rest.partition("?")
    if scheme != "kerashub" or "tower=" in query:
        return None
    return None if family_of(Path(folder).expanduser()) is None else rest


def _add_towers(context: Context, name: str, rest: str, wanted: Wanted) -> Backbone:
    """Register the tower of texts as `NAME-text`, and that of pictures, which is linked to it: both
    or none.

    Raises:
        AlreadyExists: `NAME-text` is another model.
    """
    tower = f"kerashub:{rest}{'&' if '?' in rest else '?'}tower="
    of_texts = _of_texts(wanted)
    taken_by = (name, f"{name}-text", f"{tower}text")
    _refuse_taken(context, *taken_by)
    with kept_if_needed(context):
        # their graphs are dropped: one model is in memory at a time, and loaded again to convert it
        pictures = _read(context, name, f"{tower}image", wanted).backbone
        texts = _read(context, f"{name}-text", f"{tower}text", of_texts).backbone
        lost = [find_lost(context, one) for one in (texts, pictures)]
        with told_when_done(), context.database.together():
            _refuse_taken(context, *taken_by)  # reading them took minutes
            registered = register(context, texts, lost[0])
            made = _linked(context, register(context, pictures, lost[1]), registered)
    _finish(context, texts, registered, of_texts)
    _finish(context, pictures, made, wanted)
    _tell_of(registered, made)
    return made


def _of_texts(wanted: Wanted) -> Wanted:
    """What is asked for of the tower of texts; the rest is of pictures, and so is the link."""
    tags = {key: tag for key, tag in (wanted.tags or {}).items() if key != TEXT_BACKBONE}
    return replace(wanted, cut=None, preprocess=None, orient=None, tags=tags)


def _linked(context: Context, pictures: Backbone, texts: Backbone) -> Backbone:
    """The tower of pictures with its link to that of texts, if that takes texts; one that somebody
    gave it, or gave it before, stays."""
    if TEXT_BACKBONE in pictures.tags or not _takes_texts(texts):
        return pictures
    return context.backbones.set_tags(pictures.reference, {TEXT_BACKBONE: texts.reference})


def _refuse_taken(context: Context, name: str, texts: str, source: str) -> None:
    """See that the name of the tower of texts is free, or that of an earlier version of it."""
    check_name(texts, "backbone")
    with suppress(NotFound):
        known = context.backbones.get(texts)
        if known.name == texts and (known.source == source or _is_linked(context, name, texts)):
            return
        raise AlreadyExists(
            f"{texts!r} is another model's name ({known.label}, from {known.source}), and the "
            f"tower of texts of {name!r} would be its next version",
            hint=f"Take another name, or add each tower by itself: {source}, and ?tower=image; "
            f"link them by headstart backbone tag {name} {TEXT_BACKBONE}=NAME.",
        )


def _is_linked(context: Context, name: str, texts: str) -> bool:
    with suppress(NotFound):
        link = context.backbones.get(name).tags.get(TEXT_BACKBONE, "")
        return link.partition("@")[0].partition(":")[0] == texts
    return False


def _takes_texts(backbone: Backbone) -> bool:
    return find_medium(Preprocessing.from_json(backbone.preprocessing)) == "texts"


def _tell_of(texts: Backbone, pictures: Backbone) -> None:
    if (link := pictures.tags.get(TEXT_BACKBONE)) is not None:
        tell(
            f"its texts are the backbone {label_of(link)!r}, whose features share the space of "
            f"{pictures.name!r}"
        )
        return
    warn(
        f"the preset has no tokenizer, so {texts.label!r} takes tokens and no texts, and "
        f"{pictures.name!r} cannot be asked about by texts: write the tokenizer into the folder "
        "with its save_to_preset, and add it again"
    )
