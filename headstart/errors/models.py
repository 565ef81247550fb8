"""Models: backbones, and heads on them."""

from __future__ import annotations

from headstart.errors.base import FileMissing, HeadstartError, InvalidValue


class BackboneError(HeadstartError):
    """A backbone cannot be loaded, cut or run."""


class InvalidBackboneSetting(BackboneError, InvalidValue):
    """A setting of what a backbone is run with cannot be that."""


class ModelFileError(BackboneError, ValueError):
    """A model file is missing, damaged or of a kind that cannot be read."""


class ModelFileMissing(ModelFileError, FileMissing):
    """There is no model file at the path that was given."""

    code = "not_found"


class WeightsOnly(ModelFileError):
    """The file holds weights but no architecture."""


class UnsafeModel(ModelFileError):
    """The file could run code, or harm the process, when it is loaded."""

    code = "unsafe"


class WeightsUnavailable(BackboneError, ConnectionError):
    """Pretrained weights could not be fetched."""

    code = "unavailable"


class LayerNotFound(BackboneError, LookupError):
    """The backbone has no such cut point."""

    code = "not_found"


class PreprocessingError(BackboneError, ValueError):
    """A preprocessing specification is not valid."""


class HeadError(HeadstartError, ValueError):
    """A head cannot be trained, attached or used."""


class InvalidHeadSetting(HeadError, InvalidValue):
    """A setting of a head, or of how heads are compared, cannot be that."""


class InputMissing(HeadError, FileMissing):
    """There is nothing to predict at the path that was given."""

    code = "not_found"


class ParityError(HeadError):
    """Two ways that must give the same numbers do not."""
