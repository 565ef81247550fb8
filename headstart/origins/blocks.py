"""Features as they are named: of a backbone at a cut, or of several side by side."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.context import Context
from headstart.errors import FeatureError
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.engines.engine import kind_of
from headstart.extractors.preprocessing.medium import find_medium
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.run.keys import keys_of
from headstart.registry.entities import Backbone, Dataset
from headstart.registry.references import JOINED, parts_of, reference_of


@dataclass(frozen=True)
class Block:
    """Features of one backbone at one cut, alone or beside others."""

    backbone: Backbone
    cut: Cut

    @property
    def name(self) -> str:
        """`BACKBONE@CUT`, for people."""
        return f"{self.backbone.label}@{self.cut.name}"

    @property
    def reference(self) -> str:
        """`BACKBONE:VERSION@CUT`, which always means this very one."""
        return f"{self.backbone.reference}@{self.cut.name}"

    @property
    def key(self) -> str:
        """Of the feature set."""
        return keys_of(self.backbone, [self.cut])[self.cut.name]


class Blocks(tuple[Block, ...]):
    """Features that are one to a head: those of one block, or of several side by side."""

    @property
    def name(self) -> str:
        """`BACKBONE@CUT`, joined by ` + `."""
        return JOINED.join(one.name for one in self)

    @property
    def reference(self) -> str:
        """`BACKBONE:VERSION@CUT`, joined likewise."""
        return JOINED.join(one.reference for one in self)

    def each(self) -> list[Blocks]:
        """Every block by itself."""
        return [Blocks((one,)) for one in self]

    @property
    def precision(self) -> str:
        """In what they were computed; `int8` of several, each of which has a calibration."""
        own = self[0].cut.precision
        return own if len(self) == 1 else kind_of(own)


@dataclass(frozen=True)
class Origin:
    """Where a view's features come from."""

    backbone: Backbone
    cut: Cut
    dataset: Dataset
    scales: tuple[float, ...] = ()

    @property
    def blocks(self) -> Blocks:
        return Blocks((Block(self.backbone, self.cut),))

    def __str__(self) -> str:
        return f"{self.blocks.name} of {self.dataset.name}"


@dataclass(frozen=True)
class JoinedOrigin:
    """Where the features of a view come from which are several side by side.

    Attributes:
        blocks: in order.
        scales: by what the numbers of each are divided.
        dataset: of whose samples they are.
    """

    blocks: Blocks
    scales: tuple[float, ...]
    dataset: Dataset

    def __str__(self) -> str:
        return f"{self.blocks.name} of {self.dataset.name}"


def blocks_of(context: Context, reference: str | Backbone, precision: str = "float32") -> Blocks:
    """What `NAME[@CUT[,CUT…]] + NAME[@CUT[,CUT…]]…` names, doubles left out."""
    found: dict[str, Block] = {}
    for part in parts_of(reference_of(reference, "backbone")):
        backbone, cuts = context.resolve(part, precision)
        found |= {one.reference: one for one in (Block(backbone, cut) for cut in cuts)}
    blocks = Blocks(found.values())
    check_common_input(blocks)
    return blocks


def check_common_input(blocks: Blocks) -> None:
    """See that one sample can go into all backbones.

    Raises:
        FeatureError: one takes pictures, and another texts or sounds.
    """
    media = {
        one.backbone.label: find_medium(Preprocessing.from_json(one.backbone.preprocessing))
        for one in blocks
    }
    known = {label: medium for label, medium in media.items() if medium is not None}
    if len(set(known.values())) > 1:
        told = ", ".join(f"{label} takes {medium}" for label, medium in known.items())
        raise FeatureError(
            f"features of {blocks.name} cannot be joined: {told}",
            hint="Join backbones that take the same samples; train a head on each of the others.",
        )
