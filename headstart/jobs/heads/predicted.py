"""What a head says of samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.storage.manifest import Label
from headstart.values.frames import need_pandas
from headstart.values.showable import Results, Showable

if TYPE_CHECKING:
    import pandas
    import pyarrow


@dataclass(frozen=True)
class Prediction(Showable):
    """What a head says of one sample: a file, or `FILE[ROW]` of an array.

    Attributes:
        name: of the sample.
        label: the most probable class, or the one that an ordinal head's task decides for; several
            with the head's separator between them; a number; or several, such as `0.5|1.25`.
        probability: that this is right; NaN for a number.
        probabilities: of all classes, in the head's order, (classes,), float32; or the
            numbers, (outputs,).
    """

    name: str
    label: Label | float
    probability: float
    probabilities: np.ndarray

    def _facts(self) -> dict[str, Any]:
        return {"name": self.name, "label": self.label, "probability": self.probability}

    def _line(self) -> str:
        sure = "" if math.isnan(self.probability) else f", {self.probability:.2f}"
        return f"{self.name!r} is {self.label!r}{sure}"


class Predicted(Results[Prediction]):
    """The predictions of some samples, in order.

    Attributes:
        trust: how far the head that made them can be trusted, in words.
        skipped: names of samples that could not be read, and were left out.
        classes: the label of each probability; none for numbers.
    """

    def __init__(
        self,
        found: Iterable[Prediction],
        trust: str,
        skipped: Sequence[str],
        classes: Sequence[Label] = (),
    ) -> None:
        super().__init__(found)
        self.trust, self.skipped, self.classes = trust, tuple(skipped), tuple(classes)

    @property
    def ids(self) -> list[str]:
        """What the samples are called."""
        return [one.name for one in self]

    @property
    def labels(self) -> list[Label | float]:
        """What is said of each."""
        return [one.label for one in self]

    @property
    def probabilities(self) -> np.ndarray:
        """Of all classes, (samples, classes), float32; of a head for numbers, those."""
        if not self:
            return np.empty((0, len(self.classes)), np.float32)
        return np.stack([one.probabilities for one in self])

    def to_arrow(self) -> pyarrow.Table:
        """A row a sample: `name`, `label`, `probability` (none of a number), and `p_CLASS`, the
        probability of each class, float32."""
        import pyarrow

        sure = [None if math.isnan(one.probability) else one.probability for one in self]
        columns = {
            "name": pyarrow.array(self.ids, pyarrow.string()),
            "label": pyarrow.array(self.labels),
            "probability": pyarrow.array(sure, pyarrow.float32()),
        }
        shares = self.probabilities
        for place, label in enumerate(self.classes):
            columns[f"p_{label}"] = pyarrow.array(shares[:, place])
        return pyarrow.table(columns)

    def to_pandas(self) -> pandas.DataFrame:
        """The same as a data frame.

        Raises:
            HeadstartError: pandas is not installed.
        """
        need_pandas()
        return self.to_arrow().to_pandas()

    def _facts(self) -> Any:
        return [{**one.to_json(), "trust": self.trust} for one in self]
